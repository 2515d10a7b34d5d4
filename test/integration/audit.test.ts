import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runElastauth } from '../behavior/elastauth-command.ts'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { authorize, startGatewayFor, testKey } from '../support/gateway.ts'
import { eventually } from '../support/wait.ts'

const elasticsearch = await useElasticsearch()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-audit-'))
after(() => rmSync(directory, { recursive: true }))
const stamp = `audit-${process.pid}`

/** The bodies of the requests that docs/audit.md shows: the index template, and the API key. */
function documentedBodies(): [template: object, key: object] {
  const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8')
  const bodies = [...page.matchAll(/<<'EOF'\n(.*?)\nEOF/gs)].map(([, body]) => JSON.parse(body!))
  assert.equal(bodies.length, 2)
  return bodies as [object, object]
}

describe('the audit log in a data stream of a real Elasticsearch', {
  skip: elasticsearch.skip,
  timeout: 300_000,
}, () => {
  test('with the documented template and API key, records arrive once and verify, and the key can neither read nor change them', async () => {
    const { node } = elasticsearch
    const call = (path: string, method: string, body?: unknown, headers = {}) =>
      callElasticsearch(node, path, { method, ...(body !== undefined && { body }), headers })
    const [template, keyBody] = documentedBodies()
    const created = await call('/_index_template/elastauth-audit', 'PUT', template)
    assert.equal(created.status, 200, JSON.stringify(created.body))
    const key = await call('/_security/api_key', 'POST', keyBody)
    assert.equal(key.status, 200, JSON.stringify(key.body))
    const stream = `logs-elastauth.${stamp}`
    const gateway = await startGatewayFor(node, {
      flags: { 'audit.elasticsearch.data_stream': stream },
      env: { ELASTAUTH_AUDIT_ELASTICSEARCH_API_KEY: key.body.encoded },
    })
    for (let i = 0; i < 5; i++) assert.equal((await authorize(gateway, `${stamp}-${i}`)).status, 200)
    await authorize(gateway, 'elastic')
    // Before the end of the gateway, which waits 2 s for a busy node.
    const { body } = await eventually(
      async () => {
        await call(`/${stream}/_refresh`, 'POST')
        return call(`/${stream}/_search?size=100`, 'POST', { sort: [{ 'event.sequence': 'asc' }] })
      },
      (response) => (response.body.hits?.hits ?? []).some(isLast),
    )
    assert.equal(await gateway.stop(), 0)
    assert.deepEqual(
      gateway.log.filter((line) => String(line['event.action']).startsWith('audit_')),
      [],
    )
    const sources: Record<string, unknown>[] = body.hits.hits.map((hit: { _source: unknown }) => hit._source)
    const users = sources.filter((one) => one['event.action'] === 'user_created').map((one) => one['user.name'])
    assert.deepEqual(
      users,
      [0, 1, 2, 3, 4].map((i) => `${stamp}-${i}`),
    )
    assert.equal(sources.filter((one) => one['event.reason'] === 'user_reserved').length, 1)
    assert.match(body.hits.hits[0]._index, /^\.ds-/)

    const file = join(directory, 'export.json')
    writeFileSync(file, sources.map((source) => `${JSON.stringify(source)}\n`).join(''))
    const verified = await runElastauth(['audit', 'verify', file], { ELASTAUTH_SECRET_KEY: testKey })
    assert.equal(verified.code, 0, verified.stdout)

    const authorization = `ApiKey ${key.body.encoded}`
    for (const [path, method] of [
      [`/${stream}/_search`, 'GET'],
      [`/${body.hits.hits[0]._index}`, 'DELETE'],
      ['/_security/user/elastic', 'GET'],
    ] as const) {
      const response = await fetch(`${node.url}${path}`, { method, headers: { authorization } })
      assert.equal(response.status, 403, path)
      await response.arrayBuffer()
    }
    await call(`/_data_stream/${stream}`, 'DELETE')
  })

  test('with an invalid API key requests succeed, and the log says that the key is not accepted', async () => {
    const gateway = await startGatewayFor(elasticsearch.node, {
      env: { ELASTAUTH_AUDIT_ELASTICSEARCH_API_KEY: Buffer.from('no:key').toString('base64') },
    })
    assert.equal((await authorize(gateway, `${stamp}-none`)).status, 200)
    const down = await gateway.logged((line) => line['event.action'] === 'audit_down')
    assert.match(String(down.message), /to elasticsearch: Elasticsearch does not accept the API key/)
    await gateway.stop()
  })
})

function isLast({ _source }: { _source: Record<string, unknown> }): boolean {
  return _source['event.reason'] === 'user_reserved'
}

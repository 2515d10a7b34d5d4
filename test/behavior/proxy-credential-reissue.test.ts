import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { startProxy, startUpstream } from '../support/upstream.ts'

const elasticsearch = createFakeElasticsearch()
const url = await elasticsearch.listen()
after(() => elasticsearch.close())
const env = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
const start = () => startProxy(url, { flags: { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': url }, env })
const gateway = await start()

const search = (user: string, body?: string, to = gateway) =>
  fetch(`${to.url}/idx/_search`, { headers: { 'Remote-User': user }, ...(body && { method: 'POST', body }) })

function changePassword(user: string): void {
  elasticsearch.users.set(user, { ...elasticsearch.users.get(user)!, password: 'something else' })
}

describe("a 401 response from Elasticsearch to elastauth's credential", () => {
  test('re-issues a credential whose password was changed, and repeats the request', async () => {
    assert.equal((await search('ann')).status, 200)
    changePassword('ann')
    const response = await search('ann')
    assert.deepEqual([response.status, ((await response.json()) as { user: string }).user], [200, 'ann'])
    await gateway.logged(({ message }) => message === 'user ann: healed (version 2)')
  })

  test('creates a deleted user again, and repeats the request', async () => {
    assert.equal((await search('ben')).status, 200)
    elasticsearch.users.delete('ben')
    assert.equal((await search('ben')).status, 200)
  })

  test('adopts a password that another replica has set, without another write', async () => {
    assert.equal((await search('cat')).status, 200)
    changePassword('cat')
    const replica = await start()
    assert.equal((await search('cat', undefined, replica)).status, 200)
    const before = elasticsearch.counters.writes
    assert.equal((await search('cat')).status, 200)
    assert.equal(elasticsearch.counters.writes, before)
    await replica.stop()
  })

  test('forwards a 401 to a request with a body, and re-issues the credential for the next request', async () => {
    assert.equal((await search('dan')).status, 200)
    changePassword('dan')
    assert.equal((await search('dan', '{}')).status, 401)
    await gateway.logged(({ message }) => message === 'user dan: healed (version 2)')
    assert.equal((await search('dan', '{}')).status, 200)
  })

  test('re-issues a credential once for 100 concurrent requests, which all succeed', async () => {
    assert.equal((await search('eve')).status, 200)
    changePassword('eve')
    const before = elasticsearch.counters.writes
    const responses = await Promise.all(Array.from({ length: 100 }, () => search('eve')))
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200])
    assert.equal(elasticsearch.counters.writes, before + 1)
  })

  test('forwards a persistent 401 unchanged, without a write for each request', async () => {
    assert.equal((await search('fay')).status, 200)
    changePassword('fay')
    assert.equal((await search('fay')).status, 200)
    changePassword('fay') // again, at once
    const before = elasticsearch.counters.writes
    for (let i = 0; i < 20; i++) {
      const response = await search('fay')
      assert.equal(response.status, 401)
      assert.match(await response.text(), /unable to authenticate user \[fay\]/)
      assert.match(response.headers.get('www-authenticate') ?? '', /^Basic realm="security"/)
    }
    assert.equal(elasticsearch.counters.writes, before)
  })
})

test('forwards a 401 response that is too long to buffer completely, and re-issues the credential for the next request', async () => {
  const long = 'no '.repeat(100_000)
  let isRejecting = false
  const upstream = await startUpstream((_request, response) => {
    if (isRejecting) response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end(long)
    else response.end('yes')
  })
  const flags = { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': url }
  const proxy = await startProxy(upstream.url, { flags, env })
  assert.equal(await (await search('gus', undefined, proxy)).text(), 'yes')
  changePassword('gus')
  isRejecting = true
  const response = await search('gus', undefined, proxy)
  assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, 'Basic'])
  assert.equal(await response.text(), long)
  await proxy.logged(({ message }) => message === 'user gus: healed (version 2)')
})

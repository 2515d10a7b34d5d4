import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Client } from '@elastic/elasticsearch'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { type Gateway, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
type Task = Readonly<{ headers: Record<string, string> }>
const curl = async (...args: string[]) => (await promisify(execFile)('curl', ['-sS', ...args])).stdout

describe('the official Elasticsearch client through the proxy', { skip: elasticsearch.skip }, () => {
  let gateway: Gateway
  let client: Client
  const index = `proxied-${process.pid}`
  const count = 5000

  before(async () => {
    const { node } = elasticsearch
    const flags = { default_roles: 'superuser', 'proxy.enabled': 'true', 'proxy.elasticsearch_url': node.url }
    gateway = await startGatewayFor(node, { flags })
    client = new Client({ node: gateway.url, headers: { 'remote-user': 'worker' } })
  })
  after(async () => {
    await client?.indices.delete({ index }, { ignore: [404] })
    await client?.close()
    await gateway?.stop()
  })

  test('indexes several megabytes through the proxy with the bulk helper of the official client', async () => {
    async function* documents() {
      for (let i = 0; i < count; i++) yield { i, team: `team-${i % 7}`, text: 'x'.repeat(500) }
    }
    const result = await client.helpers.bulk({
      datasource: documents(),
      onDocument: () => ({ index: { _index: index } }),
      flushBytes: 1_000_000,
      refreshOnCompletion: index,
    })
    assert.deepEqual([result.total, result.failed], [count, 0])
  })

  test('searches with aggregations through the proxy', async () => {
    const { hits, aggregations } = await client.search<unknown, { teams: { buckets: { doc_count: number }[] } }>({
      index,
      size: 0,
      track_total_hits: true,
      aggs: { teams: { terms: { field: 'team.keyword' } } },
    })
    assert.deepEqual(hits.total, { value: count, relation: 'eq' })
    const counted = aggregations!.teams.buckets.reduce((sum, { doc_count }) => sum + doc_count, 0)
    assert.equal(counted, count)
  })

  test('scrolls over all documents through the proxy', async () => {
    const seen = new Set<number>()
    for await (const { documents } of client.helpers.scrollSearch<{ i: number }>({ index, size: 700 })) {
      for (const { i } of documents) seen.add(i)
    }
    assert.equal(seen.size, count)
  })

  test('forwards compressed requests and responses of the official client', async () => {
    const compressing = new Client({ node: gateway.url, headers: { 'remote-user': 'worker' }, compression: true })
    assert.equal((await compressing.count({ index })).count, count)
    await compressing.close()
  })

  test('returns the errors of Elasticsearch to the official client', async () => {
    await assert.rejects(client.get({ index: 'nowhere', id: '1' }), {
      name: 'ResponseError',
      message: /index_not_found/,
    })
    assert.equal(await client.indices.exists({ index: 'nowhere' }), false)
    assert.equal(await client.indices.exists({ index }), true)
  })

  test('authenticates curl to Elasticsearch as the user of the identity, whatever credentials curl sends', async () => {
    const identity = (user: string) => ['-H', `Remote-User: ${user}`]
    const whoami = JSON.parse(
      await curl(...identity('alice'), '-u', 'elastic:wrong', `${gateway.url}/_security/_authenticate`),
    )
    assert.deepEqual([whoami.username, whoami.roles], ['alice', ['superuser']])
    const body = JSON.stringify({ query: { term: { i: 7 } } })
    const json = ['-H', 'Content-Type: application/json']
    const found = JSON.parse(
      await curl('-XGET', ...identity('alice'), ...json, '-d', body, `${gateway.url}/${index}/_search`),
    )
    assert.equal(found.hits.total.value, 1)
    const runAs = ['-H', 'es-security-runas-user: elastic']
    const impersonating = JSON.parse(
      await curl(...identity('alice'), ...runAs, `${gateway.url}/_security/_authenticate`),
    )
    assert.equal(impersonating.username, 'alice')
  })

  test("Elasticsearch names a request in its task list by the id in elastauth's log, or by the client's X-Opaque-Id", async () => {
    const path = '/_tasks?detailed&actions=cluster:monitor/tasks/lists' // this request is a task itself
    const idsOf = async (...headers: string[]) => {
      const response = await curl('-i', '-H', 'Remote-User: alice', ...headers, `${gateway.url}${path}`)
      const [head = '', body = ''] = response.split('\r\n\r\n')
      const [, returned] = /^x-opaque-id: (.*)$/im.exec(head) ?? []
      const nodes = Object.values<{ tasks: Record<string, Task> }>(JSON.parse(body).nodes)
      const tasks = nodes.flatMap((node) => Object.values(node.tasks))
      return { returned, inTask: tasks.map(({ headers }) => headers['X-Opaque-Id']) }
    }
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const own = await idsOf('-H', `traceparent: 00-${traceId}-00f067aa0ba902b7-01`)
    const line = await gateway.logged((entry) => entry['trace.id'] === traceId)
    const id = line['http.request.id']
    assert.equal(own.returned, id)
    assert.ok(own.inTask.includes(String(id)))
    const chosen = await idsOf('-H', 'X-Opaque-Id: my-script')
    assert.equal(chosen.returned, 'my-script')
    assert.ok(chosen.inTask.includes('my-script'))
  })

  test('forwards date math in a path to Elasticsearch', async () => {
    const path = '%3Cproxied-nothing-%7Bnow%2Fd%7D%3E'
    const response = await curl('-H', 'Remote-User: alice', `${gateway.url}/${path}/_search?ignore_unavailable=true`)
    assert.equal(JSON.parse(response).timed_out, false)
  })

  test('re-issues a credential whose password was changed in Elasticsearch, without an error for the client', async () => {
    const { node } = elasticsearch
    const own = new Client({ node: gateway.url, headers: { 'remote-user': 'changed' } })
    assert.equal((await own.security.authenticate()).username, 'changed')
    const change = JSON.stringify({ password: 'another-password' })
    const login = ['-u', `${node.username}:${node.password}`, '-H', 'Content-Type: application/json']
    await curl('-XPOST', ...login, '-d', change, `${node.url}/_security/user/changed/_password`)
    assert.equal((await own.security.authenticate()).username, 'changed')
    await own.close()
  })
})

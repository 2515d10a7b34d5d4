import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Client } from '@elastic/elasticsearch'
import { useElasticsearch } from '../support/elasticsearch/use-elasticsearch.ts'
import { type Gateway, startGatewayFor } from '../support/gateway.ts'

const elasticsearch = await useElasticsearch()
const curl = async (...args: string[]) => (await promisify(execFile)('curl', ['-sS', ...args])).stdout

describe('the official client works through the proxy as it does without it', { skip: elasticsearch.skip }, () => {
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

  test('bulk helper, of some megabytes', async () => {
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

  test('search with aggregations', async () => {
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

  test('scroll through all documents', async () => {
    const seen = new Set<number>()
    for await (const { documents } of client.helpers.scrollSearch<{ i: number }>({ index, size: 700 })) {
      for (const { i } of documents) seen.add(i)
    }
    assert.equal(seen.size, count)
  })

  test('compressed requests and answers', async () => {
    const compressing = new Client({ node: gateway.url, headers: { 'remote-user': 'worker' }, compression: true })
    assert.equal((await compressing.count({ index })).count, count)
    await compressing.close()
  })

  test('its errors are Elasticsearch’s own', async () => {
    await assert.rejects(client.get({ index: 'nowhere', id: '1' }), {
      name: 'ResponseError',
      message: /index_not_found/,
    })
    assert.equal(await client.indices.exists({ index: 'nowhere' }), false)
    assert.equal(await client.indices.exists({ index }), true)
  })

  test('curl: whoever the identity names is who Elasticsearch sees', async () => {
    const as = (user: string) => ['-H', `Remote-User: ${user}`]
    const whoami = JSON.parse(
      await curl(...as('alice'), '-u', 'elastic:wrong', `${gateway.url}/_security/_authenticate`),
    )
    assert.deepEqual([whoami.username, whoami.roles], ['alice', ['superuser']])
    const body = JSON.stringify({ query: { term: { i: 7 } } })
    const json = ['-H', 'Content-Type: application/json']
    const found = JSON.parse(
      await curl('-XGET', ...as('alice'), ...json, '-d', body, `${gateway.url}/${index}/_search`),
    )
    assert.equal(found.hits.total.value, 1)
    const run = ['-H', 'es-security-runas-user: elastic']
    const still = JSON.parse(await curl(...as('alice'), ...run, `${gateway.url}/_security/_authenticate`))
    assert.equal(still.username, 'alice')
  })

  test('date math in a path', async () => {
    const path = '%3Cproxied-nothing-%7Bnow%2Fd%7D%3E'
    const answer = await curl('-H', 'Remote-User: alice', `${gateway.url}/${path}/_search?ignore_unavailable=true`)
    assert.equal(JSON.parse(answer).timed_out, false)
  })

  test('a password that somebody changed in Elasticsearch is mended unheard', async () => {
    const { node } = elasticsearch
    const own = new Client({ node: gateway.url, headers: { 'remote-user': 'mended' } })
    assert.equal((await own.security.authenticate()).username, 'mended')
    const change = JSON.stringify({ password: 'somebody-elses' })
    const login = ['-u', `${node.username}:${node.password}`, '-H', 'Content-Type: application/json']
    await curl('-XPOST', ...login, '-d', change, `${node.url}/_security/user/mended/_password`)
    assert.equal((await own.security.authenticate()).username, 'mended')
    await own.close()
  })
})

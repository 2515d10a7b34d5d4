import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { authorize, type Gateway } from '../support/gateway.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis/cluster.ts'
import { type SentinelSet, startSentinelSet } from '../support/redis/sentinel.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed, readMetric } from '../support/redis/test-bed.ts'
import { createRedisTls } from '../support/redis/tls.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-redis-tls-'))
after(() => rmSync(directory, { recursive: true }))

const password = 'p@ss/w:rd #1'
const aclEnv = { ELASTAUTH_CACHE_REDIS_USERNAME: 'gate', ELASTAUTH_CACHE_REDIS_PASSWORD: password }

type TestBed = Awaited<ReturnType<typeof createRedisTestBed>>
type Flags = Readonly<Record<string, string>>

/** Checks that two gateways share the state of a user, and notice changes by the other one. */
async function checkTwoGateways(testBed: TestBed, flags: Flags, env: Flags = {}): Promise<readonly [Gateway, Gateway]> {
  const [a, b] = await Promise.all([testBed.start(flags, env), testBed.start(flags, env)])
  await Promise.all([a, b].map(untilConnected))
  const first = await authorize(a, 'alice')
  assert.equal(first.status, 200)

  const calls = testBed.fakeElasticsearch.calls.length
  const second = await authorize(b, 'alice')
  assert.deepEqual(second, first)
  // Only calls about users: the checks at the start may happen at the same time.
  const lookups = testBed.fakeElasticsearch.calls.slice(calls).filter(isAboutUser)
  assert.deepEqual(lookups, [], 'the second gateway does not call Elasticsearch')
  assert.equal(await readMetric(b.url, 'elastauth_redis_requests_total', { operation: 'read' }), 1)
  for (const operation of ['acquire_lock', 'release_lock', 'compare_and_set', 'taint']) {
    assert.equal(await readMetric(b.url, 'elastauth_redis_requests_total', { operation }), 0)
  }

  // A group changes at one gateway. The other one drops its cached state.
  const changed = await authorize(a, 'alice', 'staff,admins')
  assert.equal(changed.authorization, first.authorization, 'the password does not change')
  const before = testBed.fakeElasticsearch.counters.writes
  await eventually(
    () => authorize(b, 'alice'),
    () => testBed.fakeElasticsearch.counters.writes > before,
  )
  return [a, b]
}

const isAboutUser = ({ path }: { path: string }) => /^\/_security\/user\/(?!_has_privileges)/.test(path)

/** On a busy machine, a gateway starts before it is connected to Redis. */
async function untilConnected({ url }: Gateway): Promise<void> {
  await eventually(
    async () => (await (await fetch(`${url}/elastauth/ready`)).json()) as { components: { redis: string } },
    ({ components }) => components.redis === 'up',
  )
}

describe('connections to Redis', { skip, timeout: 600_000 }, () => {
  test('two gateways share users through redis_host and redis_db', async (t) => {
    const [redis, testBed] = [await startRedis(), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), redis.stop()]))
    await checkTwoGateways(testBed, { 'cache.redis_host': redis.address, 'cache.redis_db': '3' })
    await redis.client.select(3)
    assert.deepEqual(await redis.client.keys('*'), ['elastauth:1:alice'])
  })

  test('two gateways share users through redis_url with TLS, an ACL user, a CA and a client certificate, and do not log the password', async (t) => {
    const tls = createRedisTls(directory, 'one')
    const redis = await startRedis({
      tls,
      config: [aclUser(), 'user default off'],
      client: { username: 'gate', password },
    })
    const testBed = await createRedisTestBed()
    t.after(() => Promise.all([testBed.stop(), redis.stop()]))
    const url = `rediss://gate:${encodeURIComponent(password)}@${redis.address}/0`
    const gateways = await checkTwoGateways(testBed, tls.flags, { ELASTAUTH_CACHE_REDIS_URL: url })
    for (const gateway of gateways) {
      assert.ok(!gateway.output().includes(password) && !gateway.output().includes(encodeURIComponent(password)))
    }
  })

  test('two gateways share users through Sentinels, and recover after a failover', async (t) => {
    const [set, testBed] = [await startSentinelSet(), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), set.stop()]))
    await checkFailover(set, await checkTwoGateways(testBed, sentinelFlags(set)))
  })

  test('two gateways share users through Sentinels with TLS, client certificates and an ACL user, and recover after a failover', async (t) => {
    const tls = createRedisTls(directory, 'sentinels')
    const [set, testBed] = [await startSentinelSet({ tls, config: [aclUser()] }), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), set.stop()]))
    await checkFailover(set, await checkTwoGateways(testBed, { ...sentinelFlags(set), ...tls.flags }, aclEnv))
    assert.match(String(await set.replica.client.client('LIST')), / user=gate /)
  })

  test('two gateways share users through a Cluster of three nodes, and serve requests after the death of a node', async (t) => {
    const [cluster, testBed] = [await startRedisCluster(), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), cluster.stop()]))
    await checkCluster(testBed, cluster, await checkTwoGateways(testBed, clusterFlags(cluster)))
  })

  test('two gateways share users through a Cluster with TLS, client certificates and an ACL user, and serve requests after the death of a node', async (t) => {
    const tls = createRedisTls(directory, 'cluster')
    const config = [aclUser('+cluster')]
    const [cluster, testBed] = [await startRedisCluster({ tls, config }), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), cluster.stop()]))
    await checkCluster(
      testBed,
      cluster,
      await checkTwoGateways(testBed, { ...clusterFlags(cluster), ...tls.flags }, aclEnv),
    )
    assert.match(String(await cluster.nodes[0]!.client.client('LIST')), / user=gate /)
  })
})

const sentinelFlags = ({ sentinels, name }: SentinelSet): Flags => ({
  'cache.redis_sentinels': sentinels.map(({ address }) => address).join(','),
  'cache.redis_sentinel_master': name,
})

async function checkFailover(set: SentinelSet, [a, b]: readonly [Gateway, Gateway]): Promise<void> {
  await set.master.kill()
  assert.equal((await authorize(a, 'bob')).status, 200)
  assert.equal((await authorize(b, 'alice')).status, 200)
  await set.failOver()
  let user = 0
  await eventually(
    async () => {
      const username = `after-${user++}`
      await authorize(a, username)
      return set.replica.client.get(`elastauth:1:${username}`)
    },
    (entry) => entry !== null,
  )
  await a.logged(({ message }) => message === 'connected to Redis again')
}

const clusterFlags = ({ nodes }: RedisCluster): Flags => ({
  'cache.redis_cluster': nodes.map(({ address }) => address).join(','),
})

async function checkCluster(
  testBed: TestBed,
  cluster: RedisCluster,
  [a, b]: readonly [Gateway, Gateway],
): Promise<void> {
  const names = Array.from({ length: 30 }, (_, i) => `user-${i}`)
  for (const name of names) assert.equal((await authorize(a, name)).status, 200)
  for (const { client } of cluster.nodes)
    assert.ok((await client.dbsize()) > 0, 'the users are distributed over the nodes')
  const countCalls = () => testBed.fakeElasticsearch.calls.filter(isAboutUser).length
  const calls = countCalls()
  for (const name of names) assert.equal((await authorize(b, name)).status, 200)
  assert.equal(countCalls(), calls)

  await cluster.nodes[2]!.kill()
  for (const name of names) assert.equal((await authorize(b, `late-${name}`)).status, 200)
}

/** The privileges of docs/credentials-model.md, and no others. */
function aclUser(more = ''): string {
  const hash = createHash('sha256').update(password).digest('hex')
  return `user gate on "#${hash}" ~elastauth:1:* &elastauth:1 +getrange +set +del +evalsha +eval +publish +subscribe +ping +info ${more}`
}

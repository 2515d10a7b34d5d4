import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { authorize } from '../support/gateway.ts'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { startSentinelSet } from '../support/redis/sentinel.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed, readMetric } from '../support/redis/test-bed.ts'
import { createRedisTls, type RedisTls } from '../support/redis/tls.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-redis-certificates-'))
after(() => rmSync(directory, { recursive: true }))

/** Redis restarts with certificates of another authority. elastauth loads matching ones without a restart. */
describe('the certificates for Redis after a SIGHUP', { skip, timeout: 600_000 }, () => {
  test('SIGHUP reloads the certificates for a standalone Redis', (t) =>
    checkReload(t, createRedisTls(directory, 'one'), startStandalone))
  test('SIGHUP reloads the certificates for Sentinels and the servers that they monitor', (t) =>
    checkReload(t, createRedisTls(directory, 'sentinels'), startSentinels))
  test('SIGHUP reloads the certificates for a Cluster', (t) =>
    checkReload(t, createRedisTls(directory, 'cluster'), startCluster))

  test('SIGHUP keeps the previous certificates for Redis if a file is invalid', async (t) => {
    const tls = createRedisTls(directory, 'broken')
    const [redis, testBed] = [await startRedis({ tls }), await createRedisTestBed()]
    t.after(() => Promise.all([testBed.stop(), redis.stop()]))
    const gateway = await testBed.start({ 'cache.redis_host': redis.address, ...tls.flags })
    const file = tls.flags['cache.redis_client_cert']!
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -100))
    gateway.process.kill('SIGHUP')
    await gateway.logged(({ message = '' }) => message.startsWith('configuration not reloaded'))
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    let users = 0
    await eventually(
      async () => {
        const before = await readMetric(gateway.url, 'elastauth_redis_requests_total', { result: 'ok' })
        await authorize(gateway, `user-${++users}`)
        return (await readMetric(gateway.url, 'elastauth_redis_requests_total', { result: 'ok' })) - before
      },
      (calls) => calls > 0,
    )
  })
})

type Started = Readonly<{
  servers: readonly RedisServer[]
  /** The servers with data. */
  stores: readonly RedisServer[]
  flags: Readonly<Record<string, string>>
  stop: () => Promise<void>
}>

async function checkReload(
  t: Readonly<{ after: (done: () => Promise<unknown>) => void }>,
  tls: RedisTls,
  startServers: (tls: RedisTls) => Promise<Started>,
): Promise<void> {
  const [redis, testBed] = [await startServers(tls), await createRedisTestBed()]
  t.after(() => Promise.all([testBed.stop(), redis.stop()]))
  const gateway = await testBed.start({ ...redis.flags, ...tls.flags })
  assert.equal((await authorize(gateway, 'alice')).status, 200)

  await Promise.all(redis.servers.map((server) => server.kill()))
  tls.renew()
  await Promise.all(redis.servers.map((server) => server.start()))
  assert.equal((await authorize(gateway, 'bob')).status, 200)
  await gateway.logged(({ message = '' }) => message.startsWith('Redis: '))

  gateway.process.kill('SIGHUP')
  await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  let user = 0
  await eventually(
    () => authorize(gateway, `user-${user++}`),
    () => gateway.log.some(({ message }) => message === 'connected to Redis again'),
  )
  // The subscription has a separate connection, which must recover too.
  await eventually(
    () => Promise.all(redis.stores.map(subscribers)),
    (counts) => counts.some((count) => count > 0),
  )
}

async function subscribers({ client }: RedisServer): Promise<number> {
  const [, count] = (await client.pubsub('NUMSUB', 'elastauth:1')) as [string, number]
  return Number(count)
}

async function startStandalone(tls: RedisTls): Promise<Started> {
  const redis = await startRedis({ tls })
  return { servers: [redis], stores: [redis], flags: { 'cache.redis_host': redis.address }, stop: redis.stop }
}

async function startSentinels(tls: RedisTls): Promise<Started> {
  const set = await startSentinelSet({ tls })
  return {
    servers: [set.master, set.replica, ...set.sentinels],
    stores: [set.master, set.replica],
    flags: {
      'cache.redis_sentinels': set.sentinels.map(({ address }) => address).join(','),
      'cache.redis_sentinel_master': set.name,
    },
    stop: set.stop,
  }
}

async function startCluster(tls: RedisTls): Promise<Started> {
  const { nodes, stop } = await startRedisCluster({ tls })
  const addresses = nodes.map(({ address }) => address).join(',')
  return { servers: nodes, stores: nodes, flags: { 'cache.redis_cluster': addresses }, stop }
}

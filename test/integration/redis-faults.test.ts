import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { authorize, type Gateway } from '../support/gateway.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed, readMetric } from '../support/redis/test-bed.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()
/** How long the test of a paused Redis pauses it, in seconds. */
const pauseSeconds = Number(process.env.REDIS_PAUSE_SECONDS ?? 5)

const isDown = ({ message = '' }) => message.startsWith('Redis: ')
const isUp = ({ message = '' }) => message === 'connected to Redis again'
const downs = (gateway: Gateway) => gateway.log.filter(isDown).length

/** Whatever happens to Redis: nobody is refused, who is cached is served at once, one line per change, and it comes back. */
describe('faults of Redis', { skip, timeout: 600_000 }, () => {
  let redis: RedisServer
  let world: Awaited<ReturnType<typeof createRedisTestBed>>
  let nextUser = 0
  const someone = () => `user-${nextUser++}`

  beforeEach(async () => {
    redis = await startRedis()
    world = await createRedisTestBed()
  })
  afterEach(async () => {
    redis.resume()
    await world.stop()
    await redis.stop()
  })

  const start = (flags: Readonly<Record<string, string>> = {}) =>
    world.start({ 'cache.redis_host': redis.address, ...flags })
  const ready = async (gateway: Gateway): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(`${gateway.url}/elastauth/ready`)
    return {
      status: response.status,
      ...((await response.json()) as { components: Record<string, string> }).components,
    }
  }
  const down = { status: 200, elasticsearch: 'up', redis: 'degraded' }
  const up = { status: 200, elasticsearch: 'up', redis: 'up' }
  /** New users until one is found in Redis. */
  const sharesAgain = (gateway: Gateway) =>
    eventually(
      async () => {
        const username = someone()
        assert.equal((await authorize(gateway, username)).status, 200)
        return redis.client.get(`elastauth:1:${username}`)
      },
      (entry) => entry !== null,
    )

  test('down at the start: it starts, says so once, serves everybody, and finds Redis when it comes', async () => {
    await redis.kill()
    const gateway = await start()
    for (let i = 0; i < 20; i++) assert.equal((await authorize(gateway, someone())).status, 200)
    assert.deepEqual(await ready(gateway), down)
    assert.equal(downs(gateway), 1)
    await redis.start()
    await gateway.logged(isUp)
    await eventually(
      () => ready(gateway),
      (answer) => answer.redis === 'up',
    )
    await sharesAgain(gateway)
    assert.equal(downs(gateway), 1)
  })

  test('killed under load: no request fails, and it is found again', async () => {
    const gateway = await start()
    const statuses: number[] = []
    let running = true
    const lanes = Array.from({ length: 8 }, async () => {
      while (running) statuses.push((await authorize(gateway, someone())).status)
    })
    await eventually(
      async () => statuses.length,
      (count) => count > 50,
    )
    await redis.kill()
    const then = statuses.length
    await eventually(
      async () => statuses.length,
      (count) => count > then + 50,
    )
    await redis.start()
    await gateway.logged(isUp)
    running = false
    await Promise.all(lanes)
    assert.deepEqual(
      statuses.filter((status) => status !== 200),
      [],
    )
    assert.equal(gateway.log.filter(isUp).length, 1)
    await sharesAgain(gateway)
  })

  test('paused: who is cached feels nothing, others wait no longer than the limit of a call', async () => {
    const gateway = await start({ 'cache.redis_timeout': '500ms' })
    await authorize(gateway, 'cached')
    redis.pause()
    const reads = () => readMetric(gateway.url, 'elastauth_redis_requests_total', { operation: 'read' })
    const before = await reads()
    let newcomers = 0
    const end = Date.now() + pauseSeconds * 1000
    while (Date.now() < end) {
      const [hit, newcomer] = await Promise.all([authorize(gateway, 'cached'), authorize(gateway, someone())])
      newcomers++
      assert.deepEqual([hit.status, newcomer.status], [200, 200])
    }
    assert.ok((await reads()) - before <= newcomers, 'a hit asks Redis nothing, so it waits for nothing')
    assert.deepEqual(await ready(gateway), down)
    redis.resume()
    await gateway.logged(isUp)
    await eventually(
      () => ready(gateway),
      (answer) => answer.redis === 'up',
    )
    await sharesAgain(gateway)
    assert.equal(downs(gateway), 1)
    assert.ok((await readMetric(gateway.url, 'elastauth_redis_requests_total', { result: 'unreachable' })) > 0)
  })

  test('slow: a call that takes longer than its limit is done without, and the next ones work', async () => {
    const gateway = await start({ 'cache.redis_timeout': '500ms' })
    await authorize(gateway, 'cached')
    const blocked = redis.client.call('debug', 'sleep', '2').catch(() => redis.client.call('eval', busyFor(2), '0'))
    await sleep(20)
    assert.equal((await authorize(gateway, someone())).status, 200)
    assert.equal((await authorize(gateway, 'cached')).status, 200)
    await gateway.logged(isDown)
    await blocked
    await gateway.logged(isUp)
    await sharesAgain(gateway)
  })

  test('NOAUTH: a password that we do not have', async () => {
    await redis.client.config('SET', 'requirepass', 'not-known-to-us')
    const gateway = await start()
    for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, someone())).status, 200)
    assert.equal((await ready(gateway)).redis, 'degraded')
    assert.equal(downs(gateway), 1)
    assert.match(String(gateway.log.find(isDown)!.message), /NOAUTH/)
    await redis.client.config('SET', 'requirepass', '')
    await gateway.logged(isUp)
    await sharesAgain(gateway)
  })

  test('a read-only replica: what is there is read, nothing is shared, and it is said', async () => {
    const gateway = await start()
    const master = await startRedis()
    try {
      await redis.client.replicaof('127.0.0.1', master.port)
      for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, someone())).status, 200)
      await gateway.logged(isDown)
      assert.equal((await ready(gateway)).redis, 'degraded')
      await redis.client.replicaof('NO', 'ONE')
      await sharesAgain(gateway)
      await gateway.logged(isUp)
    } finally {
      await master.stop()
    }
  })

  test('memory full: nothing is shared, nothing old stays, and it is said once', async () => {
    const gateway = await start()
    await authorize(gateway, 'early')
    await redis.client.config('SET', 'maxmemory', '1')
    for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, someone())).status, 200)
    assert.equal((await authorize(gateway, 'early', 'staff,admins')).status, 200)
    assert.equal(await redis.client.get('elastauth:1:early'), null, 'what could not be marked is gone')
    assert.equal((await ready(gateway)).redis, 'degraded')
    assert.equal(downs(gateway), 1)
    await redis.client.config('SET', 'maxmemory', '0')
    await sharesAgain(gateway)
    await gateway.logged(isUp)
    await eventually(
      () => ready(gateway),
      (answer) => isDeepStrictEqual(answer, up),
    )
  })

  test('flushed: who is cached stays, others are read from Elasticsearch without a write', async () => {
    const [a, b] = [await start(), await start()]
    const before = await authorize(a, 'bob')
    await redis.client.flushall()
    const { writes } = world.fakeElasticsearch.counters
    assert.deepEqual(await authorize(a, 'bob'), before)
    assert.deepEqual(await authorize(b, 'bob'), before)
    assert.equal(world.fakeElasticsearch.counters.writes, writes)
    await eventually(
      () => redis.client.get('elastauth:1:bob'),
      (entry) => entry !== null,
    )
    assert.equal(downs(a) + downs(b), 0)
  })

  test('its scripts forgotten: sent anew', async () => {
    const gateway = await start()
    await authorize(gateway, someone())
    await redis.client.script('FLUSH')
    await authorize(gateway, 'bob')
    assert.ok(await redis.client.get('elastauth:1:bob'))
    assert.equal(downs(gateway), 0)
  })

  test('values that somebody made up, of another user, of another release: a miss each', async () => {
    const gateway = await start()
    const honest = await authorize(gateway, 'alice')
    const entry = (await redis.client.get('elastauth:1:alice'))!
    const fields = entry.split(' ')
    const later = [...fields.slice(0, 3), String(Date.now() + 1e9), ...fields.slice(4)].join(' ')
    const version = [fields[0], '7', ...fields.slice(2)].join(' ')
    const other = await start()
    for (const made of [later, version, '', '{}', 'x'.repeat(100_000), entry.slice(0, -1), `${entry} `, '!', '?.']) {
      await redis.client.set('elastauth:1:alice', made)
      const fresh = await start()
      assert.deepEqual(await authorize(fresh, 'alice'), honest)
      await fresh.stop()
    }
    await redis.client.set('elastauth:1:mallory', entry)
    const mallory = await authorize(other, 'mallory')
    assert.notEqual(mallory.authorization, honest.authorization)
    assert.equal(mallory.status, 200)
    await redis.client.del('elastauth:1:alice')
    await redis.client.lpush('elastauth:1:alice', 'a list')
    assert.deepEqual(await authorize(other, 'alice'), honest)
    await eventually(
      () => redis.client.type('elastauth:1:alice'),
      (type) => type === 'string',
    )
    assert.equal(downs(other), 0)
  })

  test('the channel full of nonsense: nothing but new reads', async () => {
    const gateway = await start()
    const before = await authorize(gateway, 'bob')
    for (const message of ['', ' ', 'bob', 'bob ', 'bob x y', '\0'.repeat(1000), 'x'.repeat(1_000_000)]) {
      await redis.client.publish('elastauth:1', message)
    }
    assert.deepEqual(await authorize(gateway, 'bob'), before)
    assert.equal(world.fakeElasticsearch.counters.writes, 1)
  })
})

function busyFor(seconds: number): string {
  return `local t = redis.call('TIME')[1] + ${seconds + 1} repeat until redis.call('TIME')[1] + 0 >= t return 1`
}

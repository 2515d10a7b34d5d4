import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { authorize, type Gateway, type LogLine } from '../support/gateway.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed, readMetric } from '../support/redis/test-bed.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()
/** How long the test of a hanging Redis pauses it. */
const pauseSeconds = Number(process.env.REDIS_PAUSE_SECONDS ?? 5)

const isDownMessage = ({ message = '', ...line }: LogLine) =>
  message.startsWith('Redis: ') && line['event.action'] === 'redis_down'
const isUpMessage = ({ message, ...line }: LogLine) =>
  message === 'connected to Redis again' && line['event.action'] === 'redis_up'
const outagesLogged = (gateway: Gateway) => gateway.log.filter(isDownMessage).length
/** Whether the log has no second line for an outage that continues, and none for a recovery without an outage. */
const isEachChangeLoggedOnce = ({ log }: Gateway) =>
  log
    .filter((line) => isDownMessage(line) || isUpMessage(line))
    .every((line, i) => isDownMessage(line) === (i % 2 === 0))

/** In every fault, all requests are served, cached users without delay; the log has one line per change; and Redis is used again afterwards. */
describe('with a faulty Redis', { skip, timeout: 600_000 }, () => {
  let redis: RedisServer
  let testBed: Awaited<ReturnType<typeof createRedisTestBed>>
  let nextUser = 0
  const newUser = () => `user-${nextUser++}`

  beforeEach(async () => {
    redis = await startRedis()
    testBed = await createRedisTestBed()
  })
  afterEach(async () => {
    redis.resume()
    await testBed.stop()
    await redis.stop()
  })

  const start = (flags: Readonly<Record<string, string>> = {}) =>
    testBed.start({ 'cache.redis_host': redis.address, ...flags })
  const readiness = async (gateway: Gateway): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(`${gateway.url}/elastauth/ready`)
    return {
      status: response.status,
      ...((await response.json()) as { components: Record<string, string> }).components,
    }
  }
  const down = { status: 200, elasticsearch: 'up', 'privilege manage_security': 'up', redis: 'degraded' }
  const up = { status: 200, elasticsearch: 'up', 'privilege manage_security': 'up', redis: 'up' }
  /** Each check has five seconds, which a busy machine may exceed. */
  const untilReadiness = (gateway: Gateway, expected: typeof up) =>
    eventually(
      () => readiness(gateway),
      (components) => isDeepStrictEqual(components, expected),
    )
  /** Sends requests of new users until one of them is stored in Redis. */
  const untilShared = (gateway: Gateway) =>
    eventually(
      async () => {
        const username = newUser()
        assert.equal((await authorize(gateway, username)).status, 200)
        return redis.client.get(`elastauth:1:${username}`)
      },
      (entry) => entry !== null,
    )

  test('starts while Redis is down, logs the outage once, serves all requests, and uses Redis when it is up', async () => {
    await redis.kill()
    const gateway = await start()
    for (let i = 0; i < 20; i++) assert.equal((await authorize(gateway, newUser())).status, 200)
    await untilReadiness(gateway, down)
    assert.equal(outagesLogged(gateway), 1)
    await redis.start()
    await gateway.logged(isUpMessage)
    await untilReadiness(gateway, up)
    await untilShared(gateway)
    assert.equal(outagesLogged(gateway), 1)
  })

  test('if Redis hangs at the start, waits for up to cache.redis_timeout and reports no outage', async () => {
    redis.pause()
    const starting = start()
    await sleep(3000) // longer than minStartTimeoutMs
    redis.resume()
    const gateway = await starting
    await untilReadiness(gateway, up)
    assert.equal(outagesLogged(gateway), 0)
  })

  test('logs how long it has waited if Redis hangs for longer than cache.redis_timeout at the start', async () => {
    redis.pause()
    const gateway = await start({ 'cache.redis_timeout': '1500ms' })
    const { message } = await gateway.logged(isDownMessage)
    assert.match(message!, /not connected: no connection within 1500 ms/)
    redis.resume()
    await untilReadiness(gateway, up)
    await gateway.logged(isUpMessage)
  })

  test('serves every request while Redis is killed under load, and reconnects after its restart', async () => {
    const gateway = await start()
    const statuses: number[] = []
    let running = true
    const clients = Array.from({ length: 8 }, async () => {
      while (running) statuses.push((await authorize(gateway, newUser())).status)
    })
    await eventually(
      async () => statuses.length,
      (count) => count > 50,
    )
    await redis.kill()
    const countBefore = statuses.length
    await eventually(
      async () => statuses.length,
      (count) => count > countBefore + 50,
    )
    await redis.start()
    await gateway.logged(isUpMessage)
    running = false
    await Promise.all(clients)
    assert.deepEqual(
      statuses.filter((status) => status !== 200),
      [],
    )
    assert.equal(gateway.log.filter(isUpMessage).length, 1)
    await untilShared(gateway)
  })

  test('serves cached users without calls to Redis while Redis hangs, and other users after a call times out', async () => {
    const gateway = await start({ 'cache.redis_timeout': '500ms' })
    await authorize(gateway, 'cached')
    redis.pause()
    const reads = () => readMetric(gateway.url, 'elastauth_redis_requests_total', { operation: 'read' })
    const before = await reads()
    let newcomers = 0
    const end = Date.now() + pauseSeconds * 1000
    while (Date.now() < end) {
      const [hit, newcomer] = await Promise.all([authorize(gateway, 'cached'), authorize(gateway, newUser())])
      newcomers++
      assert.deepEqual([hit.status, newcomer.status], [200, 200])
    }
    assert.ok((await reads()) - before <= newcomers, 'a cached user causes no call to Redis')
    await untilReadiness(gateway, down)
    redis.resume()
    await gateway.logged(isUpMessage)
    await untilReadiness(gateway, up)
    await untilShared(gateway)
    // With this timeout, there may be further outages on a busy machine.
    assert.ok(isEachChangeLoggedOnce(gateway))
    assert.ok((await readMetric(gateway.url, 'elastauth_redis_requests_total', { result: 'unreachable' })) > 0)
  })

  test('serves users without Redis while Redis is slow, and uses Redis again afterwards', async () => {
    const gateway = await start({ 'cache.redis_timeout': '500ms' })
    await authorize(gateway, 'cached')
    let isSlow = true
    const blocked = (async () => {
      while (isSlow) await redis.client.eval(busyFor(2), 0)
    })()
    await eventually(
      () => Promise.all([authorize(gateway, newUser()), authorize(gateway, 'cached')]),
      (responses) => {
        for (const { status } of responses) assert.equal(status, 200)
        return gateway.log.some(isDownMessage)
      },
    )
    isSlow = false
    await blocked
    await gateway.logged(isUpMessage)
    await untilShared(gateway)
  })

  test('serves all requests and logs NOAUTH once while Redis requires an unknown password', async () => {
    await redis.client.config('SET', 'requirepass', 'not-known-to-us')
    const gateway = await start()
    for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, newUser())).status, 200)
    await untilReadiness(gateway, down)
    assert.equal(outagesLogged(gateway), 1)
    assert.match(String(gateway.log.find(isDownMessage)!.message), /NOAUTH/)
    await redis.client.config('SET', 'requirepass', '')
    await gateway.logged(isUpMessage)
    await untilShared(gateway)
  })

  test('serves all requests and logs an outage while Redis is a read-only replica', async () => {
    const gateway = await start()
    const master = await startRedis()
    try {
      await redis.client.replicaof('127.0.0.1', master.port)
      for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, newUser())).status, 200)
      await gateway.logged(isDownMessage)
      await untilReadiness(gateway, down)
      await redis.client.replicaof('NO', 'ONE')
      await untilShared(gateway)
      await gateway.logged(isUpMessage)
    } finally {
      await master.stop()
    }
  })

  test('serves all requests while the memory of Redis is full, deletes outdated entries, and logs the outage once', async () => {
    const gateway = await start()
    await authorize(gateway, 'early')
    await redis.client.config('SET', 'maxmemory', '1')
    for (let i = 0; i < 10; i++) assert.equal((await authorize(gateway, newUser())).status, 200)
    assert.equal((await authorize(gateway, 'early', 'staff,admins')).status, 200)
    assert.equal(
      await redis.client.get('elastauth:1:early'),
      null,
      'an entry that cannot be replaced by a lock is deleted',
    )
    await untilReadiness(gateway, down)
    await gateway.logged(isDownMessage) // a line may arrive after the response
    assert.equal(outagesLogged(gateway), 1)
    await redis.client.config('SET', 'maxmemory', '0')
    await untilShared(gateway)
    await gateway.logged(isUpMessage)
    await untilReadiness(gateway, up)
  })

  test('serves cached users after Redis is flushed, and reads other users from Elasticsearch without a write', async () => {
    const [a, b] = [await start(), await start()]
    const before = await authorize(a, 'bob')
    await redis.client.flushall()
    const { writes } = testBed.fakeElasticsearch.counters
    assert.deepEqual(await authorize(a, 'bob'), before)
    assert.deepEqual(await authorize(b, 'bob'), before)
    assert.equal(testBed.fakeElasticsearch.counters.writes, writes)
    await eventually(
      () => redis.client.get('elastauth:1:bob'),
      (entry) => entry !== null,
    )
    assert.equal(outagesLogged(a) + outagesLogged(b), 0)
  })

  test('sends the Redis scripts again after SCRIPT FLUSH', async () => {
    const gateway = await start()
    await authorize(gateway, newUser())
    await redis.client.script('FLUSH')
    await authorize(gateway, 'bob')
    assert.ok(await redis.client.get('elastauth:1:bob'))
    assert.equal(outagesLogged(gateway), 0)
  })

  test('treats forged entries, and entries of another user or another release, as cache misses', async () => {
    const gateway = await start()
    const genuine = await authorize(gateway, 'alice')
    const entry = (await redis.client.get('elastauth:1:alice'))!
    const fields = entry.split(' ')
    const extended = [...fields.slice(0, 3), String(Date.now() + 1e9), ...fields.slice(4)].join(' ')
    const version = [fields[0], '7', ...fields.slice(2)].join(' ')
    const other = await start()
    for (const forged of [
      extended,
      version,
      '',
      '{}',
      'x'.repeat(100_000),
      entry.slice(0, -1),
      `${entry} `,
      '!',
      '?.',
    ]) {
      await redis.client.set('elastauth:1:alice', forged)
      const fresh = await start()
      assert.deepEqual(await authorize(fresh, 'alice'), genuine)
      await fresh.stop()
    }
    await redis.client.set('elastauth:1:mallory', entry)
    const mallory = await authorize(other, 'mallory')
    assert.notEqual(mallory.authorization, genuine.authorization)
    assert.equal(mallory.status, 200)
    await redis.client.del('elastauth:1:alice')
    await redis.client.lpush('elastauth:1:alice', 'a list')
    assert.deepEqual(await authorize(other, 'alice'), genuine)
    await eventually(
      () => redis.client.type('elastauth:1:alice'),
      (type) => type === 'string',
    )
    assert.equal(outagesLogged(other), 0)
  })

  test('tolerates malformed messages on the Redis channel', async () => {
    const gateway = await start()
    const before = await authorize(gateway, 'bob')
    for (const message of ['', ' ', 'bob', 'bob ', 'bob x y', '\0'.repeat(1000), 'x'.repeat(1_000_000)]) {
      await redis.client.publish('elastauth:1', message)
    }
    assert.deepEqual(await authorize(gateway, 'bob'), before)
    assert.equal(testBed.fakeElasticsearch.counters.writes, 1)
  })
})

function busyFor(seconds: number): string {
  return `local t = redis.call('TIME')[1] + ${seconds + 1} repeat until redis.call('TIME')[1] + 0 >= t return 1`
}

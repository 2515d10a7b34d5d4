import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createRedis } from '../../src/redis/redis.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { eventually } from '../support/wait.ts'

const skip = skipWithoutRedis()
const mebibyte = 1024 * 1024
const ttlMs = 60_000
const bob = { username: 'bob', ttlMs }

/** Values that another client with write access has stored under the keys of elastauth. */
describe('Redis values that elastauth has not written', { skip }, () => {
  let server: RedisServer
  let redis: ReturnType<typeof createRedis>
  const failures: string[] = []

  before(async () => {
    server = await startRedis()
    redis = createRedis({
      connection: {
        servers: { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } },
        db: 0,
        timeoutMs: 60_000,
      },
      countCall: (operation, result) => void (result !== 'ok' && failures.push(`${operation} ${result}`)),
      onStateChange: () => {},
    })
    await redis.start()
  })
  after(async () => {
    redis.close()
    await server.stop()
  })
  beforeEach(async () => {
    failures.length = 0
    await server.client.flushall()
  })

  const key = 'elastauth:1:session:id'
  /** Creates a value of 512 MB inside Redis. */
  const fill = (key: string) => server.client.setrange(key, 512 * mebibyte - 1, 'x')

  test('reads only the start of a 512 MB value in Redis, and replaces it like a corrupt value', async () => {
    await fill('elastauth:1:bob')
    const before = process.memoryUsage.rss()
    const value = await redis.store.get('bob')
    assert.equal(value.length, 1024)
    assert.ok(process.memoryUsage.rss() - before < 64 * mebibyte, 'the value is not transferred')
    await redis.store.compareAndSet({ ...bob, expected: value, value: 'valid', stateId: 'id' })
    assert.equal(await redis.store.get('bob'), 'valid')
    await server.client.del('elastauth:1:bob')
    await fill('elastauth:1:bob')
    assert.equal(await redis.store.acquireLock({ ...bob, expected: value, token: 'token', force: false }), 'acquired')
    await redis.store.releaseLock({ ...bob, token: 'token', value: 'written', stateId: 'id', taintTtlMs: ttlMs })
    assert.equal(await redis.store.get('bob'), 'written')
    assert.deepEqual(failures, [])
  })

  const kinds: Record<string, (key: string) => Promise<unknown>> = {
    list: (key) => server.client.rpush(key, 'x'),
    hash: (key) => server.client.hset(key, 'x', 'x'),
    set: (key) => server.client.sadd(key, 'x'),
    'sorted set': (key) => server.client.zadd(key, 1, 'x'),
    stream: (key) => server.client.xadd(key, '*', 'x', 'x'),
  }
  for (const [kind, put] of Object.entries(kinds)) {
    test(`treats a Redis key of type ${kind} as an absent user and replaces it, without reporting an outage`, async () => {
      for (const step of ['compareAndSet', 'acquireLock', 'taint'] as const) {
        await server.client.flushall()
        await put('elastauth:1:bob')
        assert.equal(await redis.store.get('bob'), '')
        if (step === 'compareAndSet')
          await redis.store.compareAndSet({ ...bob, expected: '', value: 'valid', stateId: 'id' })
        if (step === 'acquireLock')
          assert.equal(
            await redis.store.acquireLock({ ...bob, expected: '', token: 'token', force: false }),
            'acquired',
          )
        if (step === 'taint') await redis.store.taint({ ...bob, prefix: '', token: 'token' })
        assert.equal(await redis.store.get('bob'), { compareAndSet: 'valid', acquireLock: '!token', taint: '' }[step])
      }
      assert.deepEqual(failures, [])
    })
  }

  test('treats a session of 512 MB as absent', async () => {
    const { sessions } = redis
    await fill('source')
    await server.client.eval("redis.call('HSET', KEYS[1], 'v', redis.call('GET', KEYS[2]))", 2, key, 'source')
    const before = process.memoryUsage.rss()
    assert.equal(await sessions.get('id'), undefined)
    assert.equal(await sessions.lockRefresh('id', { value: 'x', owner: 'me' }), 'gone')
    assert.equal(await sessions.completeRefresh('id', { owner: 'me', value: 'x', ttlMs }), false)
    assert.ok(process.memoryUsage.rss() - before < 64 * mebibyte, 'the value is not transferred')
    await sessions.put('id', { value: 'valid', ttlMs })
    assert.equal(await sessions.get('id'), 'valid')
    assert.deepEqual(failures, [])
  })

  test('treats a session as absent if the owner of its refresh lock has 512 MB', async () => {
    await redis.sessions.put('id', { value: 'valid', ttlMs })
    await fill('source')
    await server.client.eval("redis.call('HSET', KEYS[1], 'c', redis.call('GET', KEYS[2]))", 2, key, 'source')
    assert.equal(await redis.sessions.lockRefresh('id', { value: 'valid', owner: 'me' }), 'gone')
  })

  test('reads no description of a session that is larger than 4 KiB, and none from a key of another type', async () => {
    const { sessions } = redis
    await sessions.put('id', { value: 'valid', ttlMs })
    await fill('source')
    for (const field of ['d', 'u']) {
      await server.client.eval(`redis.call('HSET', KEYS[1], '${field}', redis.call('GET', KEYS[2]))`, 2, key, 'source')
      const before = process.memoryUsage.rss()
      assert.deepEqual(await sessions.readDetails('id'), { description: undefined, usedAt: undefined })
      assert.ok(process.memoryUsage.rss() - before < 64 * mebibyte, 'the value is not transferred')
      await server.client.hdel(key, field)
    }
    await server.client.del(key)
    await server.client.set(key, 'x')
    assert.equal(await sessions.readDetails('id'), undefined)
    await sessions.setDescription('id', 'x')
    await sessions.touch('id', ttlMs)
    assert.equal(await server.client.get(key), 'x')
    assert.deepEqual(failures, [])
  })

  test('a last use that is not a time counts as unknown', async () => {
    const { sessions } = redis
    await sessions.put('id', { value: 'valid', ttlMs })
    for (const value of ['x', '', ' ', '-1', '1e300', '9'.repeat(16), 'Infinity', '0x10']) {
      await server.client.hset(key, 'u', value)
      assert.deepEqual(await sessions.readDetails('id'), { description: undefined, usedAt: undefined }, value)
    }
    await sessions.touch('id', ttlMs)
    assert.ok(Date.now() - (await sessions.readDetails('id'))!.usedAt! < ttlMs)
  })

  test('treats a session key that holds a string as absent', async () => {
    await server.client.set(key, 'x')
    assert.equal(await redis.sessions.get('id'), undefined)
    await redis.sessions.put('id', { value: 'valid', ttlMs })
    assert.equal(await redis.sessions.get('id'), 'valid')
    assert.deepEqual(failures, [])
  })

  test('reads at most 1,000 members of a session index, and skips members longer than a session key', async () => {
    await server.client.setrange('source', 64 * mebibyte - 1, 'x')
    const script = `
for i = 1, 10000 do redis.call('ZADD', KEYS[1], '1e15', i) end
redis.call('ZADD', KEYS[1], '1e14', redis.call('GET', KEYS[2]))`
    await server.client.eval(script, 2, 'elastauth:1:list:name', 'source')
    const members = await redis.sessions.listIndex('name')
    assert.equal(members.length, 999)
  })
})

test('a Redis response that arrives byte by byte ends its connection, and later calls use another connection', {
  skip,
}, async () => {
  const server = await startRedis()
  let isDripping = false
  let connections = 0
  const proxy = createServer((client: Socket) => {
    connections++
    const upstream = connect(server.port, '127.0.0.1')
    let timer: NodeJS.Timeout | undefined
    client.on('data', (data) => {
      upstream.write(data)
      if (!isDripping || timer !== undefined) return
      upstream.removeAllListeners('data')
      client.write('$536870912\r\n')
      timer = setInterval(() => client.write('x'), 20)
    })
    upstream.on('data', (data) => client.write(data))
    const end = () => {
      clearInterval(timer)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  const servers = { kind: 'standalone', address: { host: '127.0.0.1', port } } as const
  const redis = createRedis({
    connection: { servers, db: 0, timeoutMs: 250 },
    onStateChange: () => {},
  })
  const untilUsable = () =>
    eventually(
      () => redis.store.get('bob').catch(() => undefined),
      (value) => value === '',
    )
  try {
    await redis.start()
    await untilUsable() // on a busy machine, the first connection may time out
    const before = connections
    isDripping = true
    await assert.rejects(redis.store.get('bob'), /no response within 250 ms/)
    isDripping = false // for new connections
    await untilUsable()
    assert.ok(connections > before)
  } finally {
    redis.close()
    proxy.close()
    await server.stop()
  }
})

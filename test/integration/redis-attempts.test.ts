import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hashPassword } from '../../src/providers/users/password-hashing.ts'
import type { Gateway } from '../support/gateway.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed, type RedisTestBed } from '../support/redis/test-bed.ts'

describe('failed attempts at three replicas with a real Redis', { skip: skipWithoutRedis() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-attempts-'))
  let server: RedisServer
  let bed: RedisTestBed
  let replicas: Gateway[]

  before(async () => {
    const file = join(directory, 'users.yml')
    writeFileSync(file, `users:\n  bob:\n    password_hash: ${await hashPassword('correct')}\n`, { mode: 0o600 })
    server = await startRedis()
    bed = await createRedisTestBed()
    const flags = { auth_provider: 'users', 'users.path': file, 'cache.redis_host': `127.0.0.1:${server.port}` }
    replicas = await Promise.all([bed.start(flags), bed.start(flags), bed.start(flags)])
  })
  after(async () => {
    await bed.stop()
    await server.stop()
    rmSync(directory, { recursive: true })
  })

  async function signIn({ url }: Gateway, password: string, network: string) {
    const authorization = `Basic ${Buffer.from(`bob:${password}`).toString('base64')}`
    const response = await fetch(url, { headers: { authorization, 'X-Forwarded-For': network } })
    await response.arrayBuffer()
    return response.status
  }

  test('count together, and block the user from the network at every replica', async () => {
    for (let i = 0; i < 5; i++) assert.equal(await signIn(replicas[i % 3]!, `wrong ${i}`, '203.0.113.1'), 401)
    for (const replica of replicas) {
      assert.equal(await signIn(replica, 'correct', '203.0.113.1'), 429)
      assert.equal(await signIn(replica, 'correct', '203.0.113.2'), 200)
    }
  })

  test('two addresses of one /64 of IPv6 count as one network', async () => {
    for (let i = 0; i < 5; i++) assert.equal(await signIn(replicas[i % 3]!, `wrong ${i}`, `2001:db8::${i + 1}`), 401)
    assert.equal(await signIn(replicas[0]!, 'correct', '2001:db8::ffff'), 429)
    assert.equal(await signIn(replicas[0]!, 'correct', '2001:db8:0:1::1'), 200)
  })

  test('a network that a user signs in from is known for 30 days after the last sign-in at any replica', async () => {
    const ttls = async () => {
      const keys = (await server.client.keys('*attempts:*')) as string[]
      return Promise.all(keys.map(async (key) => [key, Number(await server.client.pttl(key))] as const))
    }
    const day = 24 * 60 * 60_000
    assert.equal(await signIn(replicas[0]!, 'correct', '203.0.113.7'), 200)
    const known = (await ttls()).filter(([, ttl]) => ttl > day)
    for (const [key] of known) await server.client.pexpire(key, 2 * day)
    assert.equal(await signIn(replicas[1]!, 'correct', '203.0.113.7'), 200)
    const renewed = (await ttls()).filter(([, ttl]) => ttl > 29 * day)
    assert.equal(renewed.length, 1)
    assert.ok(known.some(([key]) => key === renewed[0]![0]))
  })

  test('for passwords of Elasticsearch users count together at every replica, and do not count API keys', async () => {
    const flags = {
      auth_provider: 'elasticsearch',
      'elasticsearch_auth.basic': 'true',
      'cache.redis_host': `127.0.0.1:${server.port}`,
    }
    const others = await Promise.all([bed.start(flags), bed.start(flags), bed.start(flags)])
    for (let i = 0; i < 5; i++) assert.equal(await signIn(others[i % 3]!, `wrong ${i}`, '203.0.113.8'), 401)
    for (const { url } of others) {
      assert.equal(await signIn({ url } as Gateway, 'another', '203.0.113.8'), 429)
      const headers = { authorization: 'ApiKey aW52ZW50ZWQ6a2V5', 'X-Forwarded-For': '203.0.113.8' }
      assert.equal((await fetch(url, { headers })).status, 401)
    }
  })

  test('Redis contains neither usernames nor addresses of those who sign in', async () => {
    const keys = (await server.client.keys('*attempts:*')) as string[]
    assert.ok(keys.length > 0)
    assert.ok(keys.every((key) => /^elastauth:1:attempts:[\w-]{43}$/.test(key)))
  })
})

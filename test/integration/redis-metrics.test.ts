import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { authorize } from '../support/gateway.ts'
import { scrape } from '../support/metrics.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { createRedisTestBed } from '../support/redis/test-bed.ts'

describe('with Redis', { skip: skipWithoutRedis() }, () => {
  let redis: RedisServer | undefined
  let testBed: Awaited<ReturnType<typeof createRedisTestBed>> | undefined
  after(async () => {
    await testBed?.stop()
    await redis?.stop()
  })

  test('the metrics have the results and durations of the calls to Redis, by operation', async () => {
    redis = await startRedis()
    testBed = await createRedisTestBed()
    const { url } = await testBed.start({ 'cache.redis_host': redis.address })
    await authorize({ url }, 'ann')
    const samples = await scrape(url)
    for (const operation of ['read', 'acquire_lock', 'release_lock']) {
      const calls = samples(`elastauth_redis_requests_total{operation="${operation}",result="ok"}`)
      assert.ok(calls! > 0, operation)
      const measured = samples(`elastauth_redis_request_duration_seconds_count{operation="${operation}"}`)
      assert.equal(measured, calls, operation)
    }
    await redis.kill()
    await authorize({ url }, 'ben')
    const failed = (await scrape(url))('elastauth_redis_requests_total{operation="read",result="unreachable"}')
    assert.ok(failed! > 0)
  })
})

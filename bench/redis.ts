/** What Redis costs: a cached hit with and without it, a first request whose user another replica has, and bytes per user. */
import { type RedisServer, skipWithoutRedis, startRedis } from '../test/support/redis/server.ts'
import type { Bench, Case, Figures, Program } from './harness.ts'
import { quiet, startElastauth, startFakeElasticsearch } from './programs.ts'
import { measured, sendAll, users, wrk } from './requests.ts'

const without = 'cached user, without Redis'
const redisCalls = 'calls to Redis per request'
const elasticsearchCalls = 'calls to Elasticsearch per request'
const bytes = 'memory of Redis per user, bytes'

export const redisCase: Case = { name: 'redis', title: 'Redis', prepare }

async function prepare(bench: Bench): Promise<Program[] | string> {
  const reason = skipWithoutRedis()
  if (reason !== false) return reason
  const { fake, node } = await startFakeElasticsearch(bench)
  const redis = await startRedis()
  bench.cleanup.defer(() => redis.stop())
  const shared = { ...node, ...quiet, 'cache.type': 'redis', 'cache.redis_host': redis.address }
  const alone = await startElastauth(bench, { ...node, ...quiet })
  const first = await startElastauth(bench, shared)
  const second = await startElastauth(bench, shared)
  const count = bench.size(5000, 20)
  let batches = 0
  const newUsers = () => users(count * batches, count * ++batches)
  const cached = newUsers()
  for (const { url } of [alone, first]) await sendAll(url, cached)

  async function measureOther(): Promise<Figures> {
    const requests = newUsers()
    const memory = await usedMemory(redis)
    await sendAll(first.url, requests)
    const growth = (await usedMemory(redis)) - memory
    const [commands, calls] = [await commandCount(redis), fake.calls.length]
    await sendAll(second.url, requests, 1) // so that no call to Redis takes so long that Elasticsearch is called
    return {
      [redisCalls]: ((await commandCount(redis)) - commands) / count,
      [elasticsearchCalls]: (fake.calls.length - calls) / count,
      [bytes]: growth / count,
    }
  }

  const load = (one: typeof first) => wrk(one, bench.seconds)
  return [
    measured(without, alone, load),
    // at least 0.95 of the requests in the same processor time
    measured('cached user, with Redis', first, load, 1.053, without),
    {
      name: 'user whom another replica knows',
      measure: measureOther,
      goals: [
        { metric: redisCalls, atMost: 1 },
        { metric: elasticsearchCalls, atMost: 0 },
        { metric: bytes, atMost: 300 },
      ],
    },
  ]
}

async function usedMemory({ client }: RedisServer): Promise<number> {
  const [, size] = /used_memory:(\d+)/.exec(await client.info('memory')) ?? []
  return Number(size)
}

/** The number of all commands so far, except for INFO itself and for the PING of idle connections. */
async function commandCount({ client }: RedisServer): Promise<number> {
  const lines = (await client.info('commandstats')).matchAll(/cmdstat_(?!info:|ping:)\S+?:calls=(\d+)/g)
  return [...lines].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

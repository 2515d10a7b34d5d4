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
  const { node, shared } = await startServices(bench)
  const alone = await startElastauth(bench, { ...node, ...quiet })
  const replica = await startElastauth(bench, shared)
  const load = (one: typeof alone) => wrk(one, bench.seconds)
  return [
    measured(without, alone, load),
    // at least 0.95 of the requests in the same processor time
    measured('cached user, with Redis', replica, load, 1.053, without),
    {
      name: 'user whom another replica knows',
      measure: () => measureKnown(bench),
      goals: [
        { metric: redisCalls, atMost: 1 },
        { metric: elasticsearchCalls, atMost: 0 },
        { metric: bytes, atMost: 300 },
      ],
    },
  ]
}

async function startServices(bench: Pick<Bench, 'cleanup'>) {
  const { fake, node } = await startFakeElasticsearch(bench)
  const redis = await startRedis()
  bench.cleanup.defer(() => redis.stop())
  return { fake, redis, node, shared: { ...node, ...quiet, 'cache.type': 'redis', 'cache.redis_host': redis.address } }
}

/** Starts new replicas each time, because the idle sweep of a replica calls Redis and Elasticsearch from 30 s after its start. */
async function measureKnown({ size }: Bench): Promise<Figures> {
  await using cleanup = new AsyncDisposableStack()
  const { fake, redis, shared } = await startServices({ cleanup })
  const first = await startElastauth({ cleanup }, shared)
  const second = await startElastauth({ cleanup }, shared)
  const requests = users(0, size(5000, 20))
  const memory = await usedMemory(redis)
  await sendAll(first.url, requests)
  const growth = (await usedMemory(redis)) - memory
  const [commands, calls] = [await commandCount(redis), fake.calls.length]
  await sendAll(second.url, requests, 1) // so that no call to Redis takes so long that Elasticsearch is called
  return {
    [redisCalls]: ((await commandCount(redis)) - commands) / requests.length,
    [elasticsearchCalls]: (fake.calls.length - calls) / requests.length,
    [bytes]: growth / requests.length,
  }
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

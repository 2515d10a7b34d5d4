/**
 * The cost of Redis: a cached hit with and without it, the round trips of a first request whose user Redis has, bytes per user.
 * `node bench/redis.ts [users] [rounds] [seconds]`; Linux, with redis-server, wrk and taskset.
 */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGatewayFor } from '../test/support/gateway.ts'
import { startRedis } from '../test/support/redis/server.ts'
import { load, type Measurement, median, pin, report } from './load.ts'

const users = Number(process.argv[2] ?? 5000)
// Many short rounds, so that other load on the machine affects all programs equally.
const rounds = Number(process.argv[3] ?? 40)
const seconds = Number(process.argv[4] ?? 1)

const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const redis = await startRedis()
const gateway = (flags: Record<string, string>) => startGatewayFor(node, { flags: { log_level: 'warn', ...flags } })
const shared = { 'cache.type': 'redis', 'cache.redis_host': redis.address }
const withoutRedis = await gateway({ listen: '127.0.0.1:6111' })
const twin = await gateway({ listen: '127.0.0.1:6114' })
const first = await gateway({ listen: '127.0.0.1:6112', ...shared })
const second = await gateway({ listen: '127.0.0.1:6113', ...shared })

await measureMemory()
await measureLogin()
await measureHits()
for (const { process: child } of [withoutRedis, twin, first, second]) child.kill()
await fakeElasticsearch.close()
await redis.stop()
process.exit(0)

async function measureMemory(): Promise<void> {
  const before = await usedMemory()
  await forEachUser((user) => login(first.url, user))
  const bytes = ((await usedMemory()) - before) / users
  console.log(`${users} users: ${bytes.toFixed(0)} bytes each in Redis (used_memory)`)
}

async function measureLogin(): Promise<void> {
  const calls = fakeElasticsearch.calls.length
  const commands = await commandCalls()
  const times: number[] = []
  await forEachUser(async (user) => {
    const startedAt = performance.now()
    await login(second.url, user)
    times.push(performance.now() - startedAt)
  }, 1)
  const after = await commandCalls()
  const changed = [...after].flatMap(([name, count]) => {
    const increase = count - (commands.get(name) ?? 0)
    return increase > 0 && name !== 'info' ? [`${name} ${(increase / users).toFixed(3)}`] : []
  })
  console.log(
    `first request, user in Redis: Redis commands per request: ${changed.join(', ')}; calls to Elasticsearch: ` +
      `${fakeElasticsearch.calls.length - calls}; ${median(times).toFixed(2)} ms p50, sequential`,
  )
}

/** A second gateway without Redis shows by its ratio how large the noise is. */
async function measureHits(): Promise<void> {
  const sides = [
    { name: 'without Redis', ...withoutRedis },
    { name: 'without Redis, again', ...twin },
    { name: 'with Redis', ...first },
  ].map(({ name, url, process: child }) => ({ name, url, pid: child.pid!, rounds: [] as Measurement[] }))
  for (const { url } of [withoutRedis, twin]) await forEachUser((user) => login(url, user)) // the gateways with Redis have served all users already
  for (const { pid } of sides) pin(pid)
  for (const { url, pid } of sides) await load(url, pid, 2) // warm-up
  for (let round = 0; round < rounds; round++) {
    // the order changes, so that other load on the machine affects all equally
    const order = sides.map((_, place) => sides[(place + round) % sides.length]!)
    for (const side of order) side.rounds.push(await load(side.url, side.pid, seconds))
  }
  console.log(`hits, ${rounds} rounds of ${seconds} s alternating; median (min–max), ratios within a round`)
  report(new Map(sides.map(({ name, rounds: measured }) => [name, measured])))
}

async function forEachUser(work: (user: number) => Promise<void>, concurrency = 16): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < users) await work(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

async function login(url: string, user: number): Promise<void> {
  const response = await fetch(url, {
    headers: { 'Remote-User': `user-${user}@example.com`, 'Remote-Groups': `users,team-${user % 100}` },
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`status ${response.status}`)
}

async function usedMemory(): Promise<number> {
  const [, bytes] = /used_memory:(\d+)/.exec(await redis.client.info('memory')) ?? []
  return Number(bytes)
}

async function commandCalls(): Promise<Map<string, number>> {
  const lines = (await redis.client.info('commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g)
  return new Map([...lines].map(([, name, count]) => [name!, Number(count)]))
}

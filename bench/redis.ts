/**
 * What Redis costs: a cached hit with and without it, a cold login with a warm L2 in round trips, bytes per user.
 * `node bench/redis.ts [users] [rounds] [seconds]`; Linux, with redis-server, wrk and taskset.
 */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../test/support/gateway.ts'
import { startRedis } from '../test/support/redis/server.ts'
import { load, type Measured, median, pin, report } from './load.ts'

const users = Number(process.argv[2] ?? 5000)
// Many short rounds: what else the machine does then falls on both sides of a pair alike.
const rounds = Number(process.argv[3] ?? 40)
const seconds = Number(process.argv[4] ?? 1)

const standIn = createFakeElasticsearch()
const elasticsearch = await standIn.listen()
const redis = await startRedis()
const gateway = (flags: Record<string, string>) =>
  startGateway({
    flags: { default_roles: 'kibana_user', log_level: 'warn', 'elasticsearch.hosts': elasticsearch, ...flags },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  })
const shared = { 'cache.type': 'redis', 'cache.redis_host': redis.address }
const alone = await gateway({ listen: '127.0.0.1:6111' })
const twin = await gateway({ listen: '127.0.0.1:6114' })
const first = await gateway({ listen: '127.0.0.1:6112', ...shared })
const second = await gateway({ listen: '127.0.0.1:6113', ...shared })

await measureMemory()
await measureLogin()
await measureHits()
for (const { process: child } of [alone, twin, first, second]) child.kill()
await standIn.close()
await redis.stop()
process.exit(0)

async function measureMemory(): Promise<void> {
  const before = await usedMemory()
  await inLanes((user) => login(first.url, user))
  const bytes = ((await usedMemory()) - before) / users
  console.log(`${users} users: ${bytes.toFixed(0)} bytes each in Redis (used_memory)`)
}

async function measureLogin(): Promise<void> {
  const calls = standIn.calls.length
  const commands = await commandCalls()
  const times: number[] = []
  await inLanes(async (user) => {
    const startedAt = performance.now()
    await login(second.url, user)
    times.push(performance.now() - startedAt)
  }, 1)
  const after = await commandCalls()
  const changed = [...after].flatMap(([name, count]) => {
    const more = count - (commands.get(name) ?? 0)
    return more > 0 && name !== 'info' ? [`${name} ${(more / users).toFixed(3)}`] : []
  })
  console.log(
    `cold login, warm L2: commands at Redis for each: ${changed.join(', ')}; calls to Elasticsearch: ` +
      `${standIn.calls.length - calls}; ${median(times).toFixed(2)} ms p50, one at a time`,
  )
}

/** Beside the one without Redis its twin, whose ratio shows how far the noise reaches. */
async function measureHits(): Promise<void> {
  const sides = [
    { name: 'without Redis', ...alone },
    { name: 'its twin', ...twin },
    { name: 'with Redis', ...first },
  ].map(({ name, url, process: child }) => ({ name, url, pid: child.pid!, rounds: [] as Measured[] }))
  for (const { url } of [alone, twin]) await inLanes((user) => login(url, user)) // as those with Redis have had them
  for (const { pid } of sides) pin(pid)
  for (const { url, pid } of sides) await load(url, pid, 2) // warm-up
  for (let round = 0; round < rounds; round++) {
    // each by turns first and last, as what else the machine does comes and goes
    const order = sides.map((_, place) => sides[(place + round) % sides.length]!)
    for (const side of order) side.rounds.push(await load(side.url, side.pid, seconds))
  }
  console.log(`hits, ${rounds} rounds of ${seconds} s by turns; median (least–most), ratios within a round`)
  report(new Map(sides.map(({ name, rounds: measured }) => [name, measured])))
}

async function inLanes(work: (user: number) => Promise<void>, lanes = 16): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < users) await work(next++)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function login(url: string, user: number): Promise<void> {
  const response = await fetch(url, {
    headers: { 'Remote-User': `user-${user}@example.com`, 'Remote-Groups': `users,team-${user % 100}` },
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`answered ${response.status}`)
}

async function usedMemory(): Promise<number> {
  const [, bytes] = /used_memory:(\d+)/.exec(await redis.client.info('memory')) ?? []
  return Number(bytes)
}

async function commandCalls(): Promise<Map<string, number>> {
  const lines = (await redis.client.info('commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g)
  return new Map([...lines].map(([, name, count]) => [name!, Number(count)]))
}

/**
 * What Redis costs: a cached hit with and without it, a cold login with a warm L2 in round trips, bytes per user.
 * `node bench/redis.ts [users] [rounds] [seconds]`; Linux, with redis-server, wrk and taskset.
 */
import { startGateway } from '../test/support/gateway.ts'
import { startRedis } from '../test/support/redis/server.ts'
import { createStandIn } from '../test/support/stand-in/stand-in.ts'
import { load, type Measured, median, pin, spread } from './load.ts'

const users = Number(process.argv[2] ?? 5000)
// Many short rounds: what else the machine does then falls on both sides of a pair alike.
const rounds = Number(process.argv[3] ?? 40)
const seconds = Number(process.argv[4] ?? 1)

const standIn = createStandIn()
const elasticsearch = await standIn.listen()
const redis = await startRedis()
const gateway = (flags: Record<string, string>) =>
  startGateway({
    flags: { default_roles: 'kibana_user', log_level: 'warn', 'elasticsearch.hosts': elasticsearch, ...flags },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  })
const shared = { 'cache.type': 'redis', 'cache.redis_host': redis.address }
const alone = await gateway({ listen: '127.0.0.1:6111' })
const first = await gateway({ listen: '127.0.0.1:6112', ...shared })
const second = await gateway({ listen: '127.0.0.1:6113', ...shared })

await measureMemory()
await measureLogin()
await measureHits()
for (const { process: child } of [alone, first, second]) child.kill()
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

async function measureHits(): Promise<void> {
  const candidates = [alone, first].map(({ url, process: child }) => ({ url, pid: child.pid! }))
  for (const { pid } of candidates) pin(pid)
  for (const { url, pid } of candidates) await load(url, pid, 2) // warm-up
  const results: Measured[][] = [[], []]
  for (let round = 0; round < rounds; round++) {
    // by turns first and last, as what else the machine does comes and goes
    const order = round % 2 === 0 ? [0, 1] : [1, 0]
    for (const index of order) {
      const { url, pid } = candidates[index]!
      results[index]!.push(await load(url, pid, seconds))
    }
  }
  const [without, withRedis] = results as [Measured[], Measured[]]
  const requests = (side: Measured[]) => side.map(({ requestsPerSecond }) => requestsPerSecond)
  const cpu = (side: Measured[]) => side.map(({ cpuPerRequest }) => cpuPerRequest)
  const inPairs = (a: number[], b: number[]) => a.map((value, round) => value / b[round]!)
  console.log(`hits, ${rounds} pairs of rounds of ${seconds} s by turns; median (least–most)`)
  console.log(`  without Redis: ${spread(requests(without), 0)} req/s, ${spread(cpu(without), 1)} µs of processor each`)
  console.log(
    `  with Redis:    ${spread(requests(withRedis), 0)} req/s, ${spread(cpu(withRedis), 1)} µs of processor each`,
  )
  console.log(
    `  with to without: ${spread(inPairs(requests(withRedis), requests(without)), 3)} of the requests, ` +
      `${spread(inPairs(cpu(without), cpu(withRedis)), 3)} for the same processor time`,
  )
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

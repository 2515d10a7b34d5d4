/**
 * The latency that proxy mode adds at a constant request rate, compared with a bare dispatch loop and nginx, by turns. A quarter
 * as many requests go directly to the upstream at the same time, so that a stall of the machine or of the load generator affects
 * both. Arrivals are random (Poisson), and the latency is measured from the time at which a request was due.
 * Linux, with taskset, after `npm run build`. `node bench/proxy-latency.ts [requests per second] [rounds] [seconds]`
 */
import { Pool } from 'undici'
import { formatMedian } from './load.ts'
import { pinLoad, proxyFlags, startElastauth, startNginx, startServer } from './programs.ts'

const requestsPerSecond = Number(process.argv[2] ?? 2000)
const rounds = Number(process.argv[3] ?? 7)
const seconds = Number(process.argv[4] ?? 4)
/** Requests before this time are not counted: after a pause, processor caches and congestion windows are cold. */
const warmUpMs = 500

const cleanup = new AsyncDisposableStack()
const upstream = await startServer({ cleanup }, 'upstream', '', { isLoad: true })
const nginx = await startNginx({ cleanup }, upstream)
const candidates = [
  await startElastauth({ cleanup }, proxyFlags(upstream, { log_level: 'error' })),
  await startServer({ cleanup }, 'bare undici.dispatch', upstream.url),
  ...(nginx ? [nginx] : []),
]
pinLoad()

const keepAlive = { connections: 64, keepAliveTimeout: 600_000, keepAliveMaxTimeout: 600_000 }
const direct = new Pool(upstream.url, keepAlive)
const pools = new Map(candidates.map(({ name, url }) => [name, new Pool(url, keepAlive)]))
const results = new Map<string, Round[]>(candidates.map(({ name }) => [name, []]))
for (let round = -1; round < rounds; round++) {
  for (const [name, pool] of pools) {
    const measured = await measure(pool)
    if (round >= 0) results.get(name)!.push(measured) // the first one warms up
  }
}

console.log(`${requestsPerSecond} requests per second, ${rounds} rounds of ${seconds} s; median (min–max) in ms`)
for (const [name, measured] of results) {
  for (const share of [0.5, 0.9, 0.99]) {
    const through = measured.map((round) => percentile(round.through, share))
    const control = measured.map((round) => percentile(round.direct, share))
    const added = through.map((one, i) => one - control[i]!)
    const what = `${name.padEnd(20)} p${share * 100}`
    console.log(`${what} ${formatMedian(through)}, direct ${formatMedian(control)}, added ${formatMedian(added)}`)
  }
}
await cleanup.disposeAsync()
process.exit(0)

/** Latencies in milliseconds, sorted. */
type Round = Readonly<{ through: number[]; direct: number[] }>

async function measure(pool: Pool): Promise<Round> {
  const [through, control] = await Promise.all([
    steadyLoad(pool, requestsPerSecond),
    steadyLoad(direct, requestsPerSecond / 4),
  ])
  return { through, direct: control }
}

function steadyLoad(pool: Pool, rate: number): Promise<number[]> {
  const { promise, resolve } = Promise.withResolvers<number[]>()
  const latencies: number[] = []
  const startedAt = performance.now()
  let due = startedAt
  let open = 0
  const timer = setInterval(() => {
    for (const now = performance.now(); due <= now && due - startedAt < seconds * 1000; ) {
      void send(due)
      due += (-Math.log(1 - Math.random()) * 1000) / rate
    }
    if (due - startedAt < seconds * 1000 || open > 0) return
    clearInterval(timer)
    resolve(latencies.sort((a, b) => a - b))
  }, 1)
  return promise

  async function send(dueAt: number): Promise<void> {
    open++
    const { body } = await pool.request({ path: '/', method: 'GET', headers: { 'Remote-User': 'testuser' } })
    await body.dump()
    open--
    if (dueAt - startedAt > warmUpMs) latencies.push(performance.now() - dueAt)
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)]!
}

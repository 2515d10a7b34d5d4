/**
 * What proxy mode adds to a request's time at a steady rate, beside what a bare dispatch loop and nginx add in its place.
 * Each in turn, while a quarter as many requests go to the upstream itself: a stall of the machine or of the load counts
 * for both. Arrivals are random (Poisson), and a request's time counts from when it was due.
 * Linux, with taskset, after `npm run build`. `node bench/proxy-latency.ts [requests per second] [rounds] [seconds]`
 */
import { Pool } from 'undici'
import { pinLoad, spread } from './load.ts'
import { pinAll, startElastauth, startNginx, startServer } from './proxies.ts'

const perSecond = Number(process.argv[2] ?? 2000)
const rounds = Number(process.argv[3] ?? 7)
const seconds = Number(process.argv[4] ?? 4)
/** Nothing counts before: in a pause, a processor's caches and a connection's window are lost. In milliseconds. */
const settling = 500

const upstream = await startServer('upstream')
const nginx = await startNginx(upstream.url)
const candidates = [
  await startElastauth(upstream.url),
  await startServer('dispatch', upstream.url),
  ...(nginx ? [nginx] : []),
]
pinAll(candidates)
for (const pid of [upstream.pid, process.pid]) pinLoad(pid)

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

console.log(`${perSecond} requests a second, ${rounds} rounds of ${seconds} s; median (least–most) in ms`)
for (const [name, measured] of results) {
  for (const share of [0.5, 0.9, 0.99]) {
    const through = measured.map((round) => at(round.through, share))
    const control = measured.map((round) => at(round.direct, share))
    const added = through.map((one, i) => one - control[i]!)
    const what = `${name.padEnd(10)} p${share * 100}`
    console.log(`${what} ${spread(through)}, direct meanwhile ${spread(control)}, added ${spread(added)}`)
  }
}
for (const { pid } of [...candidates, upstream]) process.kill(pid)
process.exit(0)

/** How long requests took, in milliseconds, in order. */
type Round = Readonly<{ through: number[]; direct: number[] }>

async function measure(pool: Pool): Promise<Round> {
  const [through, control] = await Promise.all([steadyLoad(pool, perSecond), steadyLoad(direct, perSecond / 4)])
  return { through, direct: control }
}

function steadyLoad(pool: Pool, rate: number): Promise<number[]> {
  const { promise, resolve } = Promise.withResolvers<number[]>()
  const took: number[] = []
  const startedAt = performance.now()
  let due = startedAt
  let open = 0
  const timer = setInterval(() => {
    for (const now = performance.now(); due <= now && due - startedAt < seconds * 1000; ) {
      void ask(due)
      due += (-Math.log(1 - Math.random()) * 1000) / rate
    }
    if (due - startedAt < seconds * 1000 || open > 0) return
    clearInterval(timer)
    resolve(took.sort((a, b) => a - b))
  }, 1)
  return promise

  async function ask(dueAt: number): Promise<void> {
    open++
    const { body } = await pool.request({ path: '/', method: 'GET', headers: { 'Remote-User': 'testuser' } })
    await body.dump()
    open--
    if (dueAt - startedAt > settling) took.push(performance.now() - dueAt)
  }
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)]!
}

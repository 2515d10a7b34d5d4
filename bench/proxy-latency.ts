/**
 * What proxy mode adds to a request's time at a steady rate: direct and through elastauth in turn, in one run. A
 * request's time counts from when it was due, so that a stall counts for all whom it kept waiting.
 * Linux, with taskset, after `npm run build`. `node bench/proxy-latency.ts [requests per second] [rounds] [seconds]`
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Pool } from 'undici'
import { median, pinLoad, spread } from './load.ts'
import { pinAll, startElastauth, startServer } from './proxies.ts'

const perSecond = Number(process.argv[2] ?? 2000)
const rounds = Number(process.argv[3] ?? 7)
const seconds = Number(process.argv[4] ?? 3)

const upstream = await startServer('upstream')
const gateway = await startElastauth(upstream.url)
// The load looks at the clock all the time: whoever shared its processor would wait for the scheduler, not for elastauth.
pinAll([upstream, gateway])
pinLoad(process.pid)
const direct = new Pool(upstream.url)
const through = new Pool(gateway.url)
for (const pool of [direct, through]) await steadyLoad(pool, 2) // warm-up

const added: { p50: number; p99: number }[] = []
for (let round = 0; round < rounds; round++) {
  const without = await steadyLoad(direct, seconds)
  const withIt = await steadyLoad(through, seconds)
  added.push({ p50: at(withIt, 0.5) - at(without, 0.5), p99: at(withIt, 0.99) - at(without, 0.99) })
}
console.log(`${perSecond} requests a second, ${rounds} rounds of ${seconds} s; median (least–most)`)
console.log(`added at p50: ${spread(added.map(({ p50 }) => p50))} ms`)
console.log(`added at p99: ${spread(added.map(({ p99 }) => p99))} ms`)
for (const { pid } of [gateway, upstream]) process.kill(pid)
process.exit(0)

/** @returns how long each request took, in milliseconds, in order */
async function steadyLoad(pool: Pool, duration: number): Promise<number[]> {
  const took: number[] = []
  const startedAt = performance.now()
  const count = perSecond * duration
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, ((performance.now() - startedAt) / 1000) * perSecond)
    for (; sent < due; sent++) void ask(pool, startedAt + (sent / perSecond) * 1000, took)
    await turn()
  }
  while (took.length < count) await turn()
  return took.sort((a, b) => a - b)
}

async function ask(pool: Pool, dueAt: number, took: number[]): Promise<void> {
  const { body } = await pool.request({ path: '/', method: 'GET', headers: { 'Remote-User': 'testuser' } })
  await body.dump()
  took.push(performance.now() - dueAt)
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? median(sorted)
}

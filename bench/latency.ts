/**
 * The latency that proxy mode adds at a constant request rate. A quarter as many requests go directly to the upstream at the same
 * time, so that a stall of the machine or of the load generator affects both. Arrivals are random (Poisson), and the latency is
 * measured from the time at which a request was due.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Bench, Case, Program } from './harness.ts'
import {
  dispatch,
  proxyFlags,
  quiet,
  quietName,
  type Running,
  startElastauth,
  startNginx,
  startServer,
} from './programs.ts'
import { identity, percentile } from './requests.ts'

const requestsPerSecond = 2000

export const latencyCase: Case = {
  name: 'latency',
  title: 'Proxy mode, latency at 2,000 requests a second',
  prepare,
}

async function prepare(bench: Bench): Promise<Program[]> {
  const upstream = await startServer(bench, 'upstream', '', { isLoad: true })
  const nginx = await startNginx(bench, upstream)
  const direct = createPool(bench, upstream)
  const measured = (name: string, running: Running): Program => {
    const pool = createPool(bench, running)
    return { name, measure: () => measure(bench, pool, direct) }
  }
  return [
    measured(dispatch, await startServer(bench, dispatch, upstream.url)),
    measured(quietName, await startElastauth(bench, proxyFlags(upstream, quiet))),
    nginx ? measured('nginx', nginx) : { name: 'nginx', notShown: 'it is not installed' },
  ]
}

function createPool({ cleanup }: Bench, { url }: Running): Pool {
  const pool = new Pool(url, { connections: 64, keepAliveTimeout: 600_000, keepAliveMaxTimeout: 600_000 })
  cleanup.defer(() => pool.close())
  return pool
}

async function measure({ size }: Bench, pool: Pool, direct: Pool) {
  const [seconds, warmUpMs] = [size(4, 0.4), size(500, 100)]
  const [through, control] = await Promise.all([
    sendAtRate(pool, requestsPerSecond, seconds, warmUpMs),
    sendAtRate(direct, requestsPerSecond / 4, seconds, warmUpMs),
  ])
  const added = (share: number) => percentile(through, share) - percentile(control, share)
  return {
    'added latency, median, ms': added(0.5),
    'added latency, 99th percentile, ms': added(0.99),
    'latency of the upstream alone, 99th percentile, ms': percentile(control, 0.99),
  }
}

/**
 * @param warmUpMs requests before this time are not counted: after a pause, processor caches and congestion windows are cold
 * @returns latencies in milliseconds
 */
async function sendAtRate(pool: Pool, rate: number, seconds: number, warmUpMs: number): Promise<number[]> {
  const requests: Promise<number>[] = []
  let warmUps = 0
  const startedAt = performance.now()
  for (let due = startedAt; due < startedAt + seconds * 1000; due += (-Math.log(1 - Math.random()) * 1000) / rate) {
    const waitMs = due - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    if (due - startedAt < warmUpMs) warmUps++
    requests.push(send(pool, due))
  }
  return (await Promise.all(requests)).slice(warmUps)
}

async function send(pool: Pool, due: number): Promise<number> {
  const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: identity })
  await body.dump()
  if (statusCode !== 200) throw new Error(`status ${statusCode} at ${requestsPerSecond} requests a second`)
  return performance.now() - due
}

/**
 * Compares proxy mode with a bare undici.dispatch loop, http-proxy-3 and nginx, all without authentication: small GETs, then
 * large bodies, by turns in one run. The program under test has one processor; the upstream and the load share the other.
 * Linux, with wrk, taskset and nginx, after `npm run build`. `node bench/proxy.ts [rounds] [seconds]`
 */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { residentMegabytes, trackPeakResidentMegabytes } from '../test/support/resident-memory.ts'
import { formatMedian, load, type Measurement, report } from './load.ts'
import { proxyFlags, startElastauth, startNginx, startServer } from './programs.ts'

const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 3)

const cleanup = new AsyncDisposableStack()
const upstream = await startServer({ cleanup }, 'upstream', '', { isLoad: true })
const nginx = await startNginx({ cleanup }, upstream)
const candidates = [
  await startServer({ cleanup }, 'bare undici.dispatch', upstream.url),
  await startElastauth({ cleanup }, proxyFlags(upstream, { log_level: 'error' })),
  await startServer({ cleanup }, 'http-proxy-3', upstream.url),
  ...(nginx ? [nginx] : []),
]

const results = new Map<string, Measurement[]>(candidates.map(({ name }) => [name, []]))
for (const { url, pid } of candidates) await load(url, pid, 2) // warm-up
for (let round = 0; round < rounds; round++) {
  for (const { name, url, pid } of candidates) results.get(name)!.push(await load(url, pid, seconds))
}
console.log(`small GET, 32 connections, ${rounds} rounds of ${seconds} s; median (min–max)`)
report(results)
for (const other of ['http-proxy-3', 'nginx']) {
  if (!results.has(other)) continue
  console.log(`compared with ${other}`)
  report(new Map([other, 'elastauth'].map((name) => [name, results.get(name)!])))
}

for (const what of ['100 MB up', '1 GB down', '1 GB down again'] as const) {
  for (const { name, url, pid } of candidates) {
    const before = residentMegabytes(pid)
    const stopTracking = trackPeakResidentMegabytes(pid)
    const rates: number[] = []
    for (let i = 0; i < (what === '100 MB up' ? 5 : 1); i++) {
      const startedAt = performance.now()
      const megabytes = what === '100 MB up' ? await upload(url, 100) : await download(url, 1024)
      rates.push(megabytes / ((performance.now() - startedAt) / 1000))
    }
    const growth = `${before.toFixed(0)} MB resident before, ${stopTracking().toFixed(0)} maximum`
    console.log(`${name.padEnd(20)} ${what.padEnd(16)} ${formatMedian(rates, 0)} MB/s, ${growth}`)
  }
}
await cleanup.disposeAsync()
process.exit(0)

async function upload(url: string, megabytes: number): Promise<number> {
  const outgoing = request(`${url}/_bulk`, { method: 'POST', headers: { 'Remote-User': 'testuser' } })
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let i = 0; i < megabytes * 16; i++) if (!outgoing.write(piece)) await once(outgoing, 'drain')
  outgoing.end()
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of message) text += chunk
  if (text !== String(megabytes * 1024 * 1024)) throw new Error(`${text} bytes arrived`)
  return megabytes
}

async function download(url: string, megabytes: number): Promise<number> {
  const outgoing = request(`${url}/${megabytes}`, { headers: { 'Remote-User': 'testuser' } }).end()
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  let length = 0
  for await (const chunk of message) length += chunk.length
  if (length !== megabytes * 1024 * 1024) throw new Error(`${length} bytes arrived`)
  return megabytes
}

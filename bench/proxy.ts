/**
 * Proxy mode beside a bare undici.dispatch loop and http-proxy-3, which authenticate nobody: small GETs, then large
 * bodies, in turn, in one run. Each under test has one processor, the upstream and the load share the other.
 * Linux, with wrk and taskset. `node bench/proxy.ts [rounds] [seconds]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { startGateway } from '../test/support/gateway.ts'
import { load, type Measured, pin, spread } from './load.ts'

const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 3)

async function start(kind: string, ...args: string[]) {
  const server = spawn(process.execPath, [new URL('proxy-servers.ts', import.meta.url).pathname, kind, ...args])
  const [url] = await once(server.stdout, 'data')
  return { name: kind, url: String(url).trim(), pid: server.pid! }
}

const upstream = await start('upstream')
const gateway = await startGateway({
  flags: {
    log_level: 'warn',
    listen: '127.0.0.1:6105',
    default_roles: 'viewer',
    'elasticsearch.dry_run': 'true',
    'proxy.enabled': 'true',
    'proxy.elasticsearch_url': upstream.url,
  },
})
const bare = await start('dispatch', upstream.url)
const candidates = [
  bare,
  { name: 'elastauth', url: gateway.url, pid: gateway.process.pid! },
  await start('http-proxy-3', upstream.url),
]
for (const { pid } of candidates) pin(pid)

const results = new Map<string, Measured[]>(candidates.map(({ name }) => [name, []]))
for (const { url, pid } of candidates) await load(url, pid, 2) // warm-up
for (let round = 0; round < rounds; round++) {
  for (const { name, url, pid } of candidates) results.get(name)!.push(await load(url, pid, seconds))
}
console.log(`small GET, 32 connections, ${rounds} rounds of ${seconds} s; median (least–most)`)
const base = results.get(bare.name)!
for (const [name, measured] of results) {
  const ratios = measured.map((one, i) => one.requestsPerSecond / base[i]!.requestsPerSecond)
  const cpu = measured.map((one) => one.cpuPerRequest)
  const rate = spread(
    measured.map((one) => one.requestsPerSecond),
    0,
  )
  console.log(`${name.padEnd(14)} ${rate} req/s, ratio ${spread(ratios)}, ${spread(cpu, 1)} µs cpu/req`)
}

for (const { name, url, pid } of candidates) {
  for (const what of ['100 MB up', '1 GB down', '1 GB down again'] as const) {
    const before = resident(pid)
    const watched = watch(pid)
    const startedAt = performance.now()
    const megabytes = what === '100 MB up' ? await upload(url, 100) : await download(url, 1024)
    const took = (performance.now() - startedAt) / 1000
    const most = watched()
    const growth = `${before.toFixed(0)} MB resident before, ${most.toFixed(0)} at most`
    console.log(`${name.padEnd(14)} ${what.padEnd(16)} ${(megabytes / took).toFixed(0)} MB/s, ${growth}`)
  }
}
for (const { pid } of [...candidates, upstream]) process.kill(pid)
process.exit(0)

async function upload(url: string, megabytes: number): Promise<number> {
  const asked = request(`${url}/_bulk`, { method: 'POST', headers: { 'Remote-User': 'testuser' } })
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let i = 0; i < megabytes * 16; i++) if (!asked.write(piece)) await once(asked, 'drain')
  asked.end()
  const [message] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of message) text += chunk
  if (text !== String(megabytes * 1024 * 1024)) throw new Error(`${text} bytes arrived`)
  return megabytes
}

async function download(url: string, megabytes: number): Promise<number> {
  const asked = request(`${url}/${megabytes}`, { headers: { 'Remote-User': 'testuser' } }).end()
  const [message] = (await once(asked, 'response')) as [IncomingMessage]
  let length = 0
  for await (const chunk of message) length += chunk.length
  if (length !== megabytes * 1024 * 1024) throw new Error(`${length} bytes arrived`)
  return megabytes
}

/** Looks every 20 ms until called. @returns the most megabytes seen resident */
function watch(pid: number): () => number {
  let most = resident(pid)
  const timer = setInterval(() => {
    most = Math.max(most, resident(pid))
  }, 20)
  return () => {
    clearInterval(timer)
    return most
  }
}

function resident(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

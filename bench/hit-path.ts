/**
 * Compares a cached hit of the header provider with a bare `node:http` server that writes the same response: on one processor
 * each, by turns in one run. Linux, with wrk and taskset. `node bench/hit-path.ts [rounds] [seconds]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGatewayFor } from '../test/support/gateway.ts'
import { load, type Measurement, pin, report } from './load.ts'

const rounds = Number(process.argv[2] ?? 7)
const seconds = Number(process.argv[3] ?? 3)

const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const bare = spawn(process.execPath, [new URL('bare-server.ts', import.meta.url).pathname])
const [bareUrl] = await once(bare.stdout, 'data')
const gateway = (flags: Record<string, string>) => startGatewayFor(node, { flags })
const quiet = await gateway({ log_level: 'warn', listen: '127.0.0.1:6101' })
const logging = await gateway({ log_level: 'info', listen: '127.0.0.1:6102' })
const counting = await gateway({ log_level: 'warn', listen: '127.0.0.1:6103', enable_metrics: 'true' })
logging.process.stdout!.removeAllListeners('data').resume()

const candidates = [
  { name: 'node:http, bare', url: String(bareUrl).trim(), pid: bare.pid! },
  { name: 'elastauth, log_level warn', url: quiet.url, pid: quiet.process.pid! },
  { name: 'elastauth, warn, metrics', url: counting.url, pid: counting.process.pid! },
  { name: 'elastauth, a line per request', url: logging.url, pid: logging.process.pid! },
]
const results = new Map<string, Measurement[]>(candidates.map(({ name }) => [name, []]))
for (const { pid } of candidates) pin(pid)
for (const { url, pid } of candidates) await load(url, pid, 2) // warm-up
for (let round = 0; round < rounds; round++) {
  for (const { name, url, pid } of candidates) results.get(name)!.push(await load(url, pid, seconds))
}
for (const { pid } of candidates) process.kill(pid)
await fakeElasticsearch.close()

console.log(`${rounds} rounds of ${seconds} s, 32 connections; median (min–max)`)
report(results)
process.exit(0)

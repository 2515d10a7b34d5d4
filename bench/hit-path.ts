/**
 * A cached hit of the header provider beside a bare `node:http` server that writes the same answer: one processor
 * each, in turn, in one run. Linux, with wrk and taskset. `node bench/hit-path.ts [rounds] [seconds]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../test/support/gateway.ts'
import { load, type Measured, pin, report } from './load.ts'

const rounds = Number(process.argv[2] ?? 7)
const seconds = Number(process.argv[3] ?? 3)

const standIn = createFakeElasticsearch()
const elasticsearch = await standIn.listen()
const bare = spawn(process.execPath, [new URL('bare-server.ts', import.meta.url).pathname])
const [bareUrl] = await once(bare.stdout, 'data')
const gateway = (flags: Record<string, string>) =>
  startGateway({
    flags: { default_roles: 'kibana_user', 'elasticsearch.hosts': elasticsearch, ...flags },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  })
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
const results = new Map<string, Measured[]>(candidates.map(({ name }) => [name, []]))
for (const { pid } of candidates) pin(pid)
for (const { url, pid } of candidates) await load(url, pid, 2) // warm-up
for (let round = 0; round < rounds; round++) {
  for (const { name, url, pid } of candidates) results.get(name)!.push(await load(url, pid, seconds))
}
for (const { pid } of candidates) process.kill(pid)
await standIn.close()

console.log(`${rounds} rounds of ${seconds} s, 32 connections; median (least–most)`)
report(results)
process.exit(0)

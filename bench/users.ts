/**
 * Measures what users cost a real Elasticsearch: the processor time of the node, and of elastauth, for a new user, a changed group, a
 * rotation, a background check and a page of the idle sweep. docs/sizing.md calculates with the results.
 * `node test/support/elasticsearch/with-elasticsearch.ts -- node bench/users.ts [users] [concurrency]`
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../test/support/elasticsearch/call-elasticsearch.ts'
import { startElasticsearch } from '../test/support/elasticsearch/elasticsearch.ts'
import { authorize, type Gateway, logIn, startGatewayFor } from '../test/support/gateway.ts'
import { cpuMicroseconds } from './requests.ts'

const users = Number(process.argv[2] ?? 1000)
const concurrency = Number(process.argv[3] ?? 16)
/** The node refreshes its statistics once a second. */
const statisticsAgeMs = 1200
/** More than the users, so that the node's statistics are precise enough. */
const checks = 10 * users
const expirationMs = 60_000

const node = await startElasticsearch()
const stamp = Date.now().toString(36)
const timeout = { 'elasticsearch.timeout': '2m' }
const gateway = await startGatewayFor(node, { flags: timeout })
const credentials: string[] = []

await measure('warm-up', 100, gateway, (i) => request(gateway, `warm-${i}`))
await measure('new user', users, gateway, async (i) => {
  credentials[i] = await request(gateway, String(i))
})
const createdAt = performance.now()
await measure('changed group', users, gateway, (i) => request(gateway, String(i), 'staff'))
await measure('background check', checks, undefined, (i) => logIn(node, credentials[i % users]!))
const page = { method: 'POST', body: { size: 100, sort: [{ username: { order: 'asc' } }] } }
await measure('page of the idle sweep', 200, undefined, () => callElasticsearch(node, '/_security/_query/user', page))
await gateway.stop()
await sleep(Math.max(0, createdAt + expirationMs + 1000 - performance.now()))
const rotating = await startGatewayFor(node, { flags: { ...timeout, 'cache.expiration': `${expirationMs}ms` } })
// So few users that the measurement ends before the first pass of the idle sweep, 30 s after the start.
await measure('rotation', Math.min(users, 300), rotating, (i) => request(rotating, String(i), 'staff'))
await rotating.stop()
await node.stop()

/** One request of a user, and the first login with the credential. */
async function request(gateway: Gateway, name: string, groups?: string): Promise<string> {
  const username = `users-${name}-${stamp}`
  const { authorization } = await authorize(gateway, username, groups)
  const login = await logIn(node, authorization)
  if (login.username !== username) throw new Error(`${username}: Elasticsearch responded with ${login.status}`)
  return authorization!
}

async function measure(
  name: string,
  count: number,
  gateway: Gateway | undefined,
  run: (i: number) => Promise<unknown>,
) {
  await sleep(statisticsAgeMs)
  const before = await cpuTimes(gateway)
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await sleep(statisticsAgeMs)
  const after = await cpuTimes(gateway)
  const each = (key: 'node' | 'elastauth') => ((after[key] - before[key]) / count).toFixed(2)
  console.log(
    `${name.padEnd(24)} ${count} times: ${each('node')} ms of Elasticsearch, ${each('elastauth')} ms of elastauth`,
  )
}

/** Milliseconds of processor time so far. */
async function cpuTimes(gateway: Gateway | undefined) {
  const { body } = await callElasticsearch(node, '/_nodes/stats/process')
  const [statistics] = Object.values(body.nodes) as { process: { cpu: { total_in_millis: number } } }[]
  const elastauth = gateway === undefined ? 0 : cpuMicroseconds(gateway.process.pid!) / 1000
  return { node: statistics!.process.cpu.total_in_millis, elastauth }
}

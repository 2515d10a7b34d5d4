/**
 * What users cost a real Elasticsearch: the processor time of the node, and of elastauth, for a new user, a changed group, a
 * rotation, a background check and a page of the idle sweep. docs/sizing.md calculates with the results.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { callElasticsearch } from '../test/support/elasticsearch/call-elasticsearch.ts'
import type { Elasticsearch } from '../test/support/elasticsearch/node.ts'
import { logIn } from '../test/support/gateway.ts'
import { findElasticsearch, signIn, startElastauthFor } from './elasticsearch.ts'
import type { Bench, Case, Figures, Program } from './harness.ts'
import type { Running } from './programs.ts'
import { cpuMicroseconds, repeat } from './requests.ts'

const concurrency = 16
/** The node refreshes its statistics once a second. */
const statisticsAgeMs = 1200

export const usersCase: Case = {
  name: 'users',
  title: 'What users cost Elasticsearch',
  rounds: 3,
  hasNoWarmUp: true,
  prepare,
}

async function prepare(bench: Bench): Promise<Program[] | string> {
  const node = await findElasticsearch()
  if (typeof node === 'string') return node
  let round = 0
  const measure = () => measureEvents(bench, node, `${Date.now().toString(36)}-${round++}`)
  return [{ name: `Elasticsearch ${node.version}`, measure }]
}

/** The events of new users, in an order in which each has the state that it needs. */
async function measureEvents({ size }: Bench, node: Elasticsearch, stamp: string): Promise<Figures> {
  await using cleanup = new AsyncDisposableStack()
  const users = size(500, 5)
  const expirationMs = size(60_000, 2000)
  const gateway = await startElastauthFor(node, { cleanup })
  const credentials: string[] = []
  const request = (one: Running, i: number | string, groups?: string) =>
    signIn(node, one, `users-${i}-${stamp}`, groups)
  await repeat(size(100, 2), concurrency, (i) => request(gateway, `warm-${i}`))
  const created = await measureEach(node, gateway, users, async (i) => {
    credentials[i] = await request(gateway, i)
  })
  const changed = await measureEach(node, gateway, users, (i) => request(gateway, i, 'staff'))
  const changedAt = performance.now()
  await gateway.stop()
  // many times, so that the node's statistics are precise enough
  const checked = await measureEach(node, undefined, 10 * users, (i) => logIn(node, credentials[i % users]!))
  const page = { method: 'POST', body: { size: 100, sort: [{ username: { order: 'asc' } }] } }
  const readPage = () => callElasticsearch(node, '/_security/_query/user', page)
  const read = await measureEach(node, undefined, size(200, 2), readPage)
  await sleep(Math.max(0, changedAt + expirationMs + 1000 - performance.now()))
  const rotating = await startElastauthFor(node, { cleanup }, { 'cache.expiration': `${expirationMs}ms` })
  // so few users that the measurement ends before the first pass of the idle sweep, 30 s after the start
  const rotated = await measureEach(node, rotating, Math.min(users, 300), (i) => request(rotating, i, 'staff'))
  return {
    'new user, processor time of Elasticsearch, ms': created.node,
    'new user, processor time of elastauth, ms': created.elastauth,
    'changed group, processor time of Elasticsearch, ms': changed.node,
    'changed group, processor time of elastauth, ms': changed.elastauth,
    'rotation, processor time of Elasticsearch, ms': rotated.node,
    'rotation, processor time of elastauth, ms': rotated.elastauth,
    'background check, processor time of Elasticsearch, ms': checked.node,
    'page of the idle sweep, processor time of Elasticsearch, ms': read.node,
  }
}

/** Milliseconds of processor time for each of `count` runs. */
async function measureEach(
  node: Elasticsearch,
  gateway: Running | undefined,
  count: number,
  run: (i: number) => Promise<unknown>,
) {
  await sleep(statisticsAgeMs)
  const before = await cpuTimes(node, gateway)
  await repeat(count, concurrency, run)
  await sleep(statisticsAgeMs)
  const after = await cpuTimes(node, gateway)
  return { node: (after.node - before.node) / count, elastauth: (after.elastauth - before.elastauth) / count }
}

/** Milliseconds of processor time so far. */
async function cpuTimes(node: Elasticsearch, gateway: Running | undefined) {
  const { body } = await callElasticsearch(node, '/_nodes/stats/process')
  const [statistics] = Object.values(body.nodes) as { process: { cpu: { total_in_millis: number } } }[]
  const elastauth = gateway === undefined ? 0 : cpuMicroseconds(gateway.pid) / 1000
  return { node: statistics!.process.cpu.total_in_millis, elastauth }
}

/**
 * Many new users with a real Elasticsearch, which verifies each credential: passwords that are sent as hashes, and as plain text, which
 * Elasticsearch then hashes itself.
 */
import { findElasticsearch, signIn, startElastauthFor } from './elasticsearch.ts'
import type { Bench, Case, Program } from './harness.ts'
import { repeat } from './requests.ts'

const time = 'time per new user, ms'
const concurrency = 50
const plain = 'passwords as plain text'

export const crowdCase: Case = {
  name: 'crowd',
  title: 'New users, 50 at a time',
  rounds: 4,
  hasNoWarmUp: true,
  prepare,
}

async function prepare(bench: Bench): Promise<Program[] | string> {
  const node = await findElasticsearch()
  if (typeof node === 'string') return node
  const stamp = Date.now().toString(36)
  let next = 0
  const start = async (hashing: string) => {
    const gateway = await startElastauthFor(node, bench, { 'elasticsearch.password_hashing': hashing })
    const signInNew = () => signIn(node, gateway, `crowd-${next++}-${stamp}`)
    await repeat(bench.size(20, 2), concurrency, signInNew) // warms up the node's JIT compiler
    return async () => {
      const count = bench.size(100, 5)
      const startedAt = performance.now()
      await repeat(count, concurrency, signInNew)
      return { [time]: (performance.now() - startedAt) / count }
    }
  }
  const on = `, Elasticsearch ${node.version}`
  return [
    { name: plain + on, measure: await start('server') },
    {
      name: `passwords as hashes${on}`,
      measure: await start('pbkdf2_1000'),
      goals: [{ metric: time, to: plain + on, atMost: 0.167 }],
    },
  ]
}

/**
 * Disables, then deletes, managed users of a real Elasticsearch with `user_retention`: the idle sweep without its pauses, which
 * are only added up.
 *   node test/support/elasticsearch/with-elasticsearch.ts -- node --expose-gc bench/retention.ts [USERS]
 */

import { sweepIdleUsers } from '../src/auth/credentials/idle-sweep.ts'
import type { LifecycleRules } from '../src/auth/credentials/lifecycle.ts'
import { createKeyring } from '../src/auth/credentials/password.ts'
import { createPasswordWriter, hashPassword } from '../src/auth/credentials/password-writer.ts'
import { createRetention } from '../src/auth/credentials/retention/retention.ts'
import { noSharedStates } from '../src/auth/credentials/shared-states.ts'
import { noSweepLease, type SweepLease } from '../src/auth/credentials/sweep-lease.ts'
import { createApiKeys } from '../src/es/api-keys.ts'
import { createCall } from '../src/es/call.ts'
import { createElasticsearchClient } from '../src/es/client.ts'
import { createPasswordHashing } from '../src/es/password-hashing.ts'
import { createUsers } from '../src/es/users.ts'
import { startElasticsearch } from '../test/support/elasticsearch/elasticsearch.ts'

const count = Number(process.argv[2] ?? 10_000)
const day = 24 * 60 * 60_000
const node = await startElasticsearch()
const client = createElasticsearchClient({
  ...{ hosts: [node.url], username: node.username, password: node.password, ca: node.caCert },
  ...{ insecureSkipVerify: false, timeoutMs: 30_000 },
})
const call = createCall({ monotonicNow: () => performance.now() })
const hashing = createPasswordHashing('pbkdf2_1000', () => {})
const directory = createUsers(() => client, call, hashing)
const keys = createKeyring(['be9c4'.padEnd(64, '0123456789abcdef')])
const rules: LifecycleRules = {
  ...{ expirationMs: 60 * 60_000, rotationPauseMs: 1000, extend: false },
  ...{ adoptExisting: false, rekey: 'allow', changeIntervalMs: 5000 },
}
const preparePassword = createPasswordWriter({ keys, sendsHash: hashing.isOn })

await createIdleUsers()
await sweep('disabled', 0)
await sweep('deleted', 90 * day)
await client.close()
await node.stop()

async function createIdleUsers(): Promise<void> {
  const startedAt = performance.now()
  const passwordHash = await hashPassword('bench-password', Buffer.alloc(32, 1))
  const issued_at = Date.now() - day
  const state = { created: '2026-01-01', version: 1, key_id: keys.currentId, issued_at, fingerprint: 'f' }
  const user = { password: 'bench-password', passwordHash, roles: [], full_name: null, email: null }
  for (let i = 0; i < count; i += 16)
    await Promise.all(
      Array.from({ length: Math.min(16, count - i) }, (_, k) =>
        directory.put(`retained-${i + k}`, { ...user, metadata: { groups: [], elastauth: state } }),
      ),
    )
  console.log(`created ${count} users in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
}

/** Sweeps until all users are disabled or deleted. @param aheadMs by how much the clock of the sweep is ahead */
async function sweep(what: 'disabled' | 'deleted', aheadMs: number): Promise<void> {
  const stop = new AbortController()
  const durations = new Map<string, number[]>()
  let [done, passes, pausedMs, largestHeap] = [0, 0, 0, 0]
  const now = () => Date.now() + aheadMs

  function timed<A extends readonly unknown[], T>(name: string, run: (...args: A) => Promise<T>) {
    const list: number[] = []
    durations.set(name, list)
    return async (...args: A): Promise<T> => {
      const startedAt = performance.now()
      const result = await run(...args)
      list.push(performance.now() - startedAt)
      return result
    }
  }

  const users = {
    ...directory,
    get: timed('get', directory.get),
    put: timed('put', directory.put),
    delete: timed('delete', directory.delete),
    page: timed('page', directory.page),
  }
  const retention = createRetention({
    ...{ directory: users, keys, states: noSharedStates, preparePassword, rules, now },
    invalidateApiKeys: timed('API keys', createApiKeys(() => client, call).invalidateAll),
    retention: { disableAfterMs: day / 2, deleteAfterMs: 30 * day, invalidateApiKeys: true },
    forget: () => {},
    report({ kind }) {
      if (kind === (what === 'disabled' ? 'written' : 'deleted') && ++done === count) stop.abort()
    },
  })
  const lease: SweepLease = {
    async acquire() {
      passes++
      return { ...(await noSweepLease.acquire())!, sweptUntil: now() } // no password of an idle user is left to replace
    },
  }
  const startedAt = performance.now()
  await sweepIdleUsers(
    {
      ...{ directory: users, keys, preparePassword, rules, lease, retention, now, random: () => 0.5 },
      async sleep(milliseconds) {
        pausedMs += milliseconds
        if (done % 100 !== 0) return
        globalThis.gc?.()
        largestHeap = Math.max(largestHeap, process.memoryUsage().heapUsed)
      },
      report: (event) => console.error(event),
    },
    stop.signal,
  )
  const seconds = (performance.now() - startedAt) / 1000
  const calls = [...durations].filter(([, list]) => list.length > 0)
  const perUser = calls.map(([name, list]) => `${(list.length / count).toFixed(2)} ${name} of ${medianOf(list)} ms`)
  console.log(
    `${what} ${count} users in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)} a second) and ${passes} passes, ` +
      `whose pauses take ${Math.round(pausedMs / 60_000)} minutes; heap at most ${Math.round(largestHeap / 2 ** 20)} MiB; ` +
      `calls per user: ${perUser.join(', ')}`,
  )
}

function medianOf(list: number[]): string {
  return list.sort((a, b) => a - b)[list.length >> 1]!.toFixed(1)
}

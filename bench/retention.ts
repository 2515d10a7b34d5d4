/**
 * Disables, then deletes, 10,000 managed users on a real Elasticsearch with `user_retention`, without the sweep's own pauses.
 *   node test/support/elasticsearch/with-elasticsearch.ts -- node --expose-gc bench/retention.ts [USERS]
 */
import { createKeyring } from '../src/auth/credentials/password.ts'
import { createPasswordWriter, hashPassword } from '../src/auth/credentials/password-writer.ts'
import { createRetention } from '../src/auth/credentials/retention/retention.ts'
import { noSharedStates } from '../src/auth/credentials/shared-states.ts'
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

const passwordHash = await hashPassword('bench-password', Buffer.alloc(32, 1))
const state = {
  created: '2026-01-01',
  version: 1,
  key_id: keys.currentId,
  issued_at: Date.now() - day,
  fingerprint: 'f',
}
const startedAt = performance.now()
const user = { password: 'bench-password', passwordHash, roles: [], full_name: null, email: null }
for (let i = 0; i < count; i += 16)
  await Promise.all(
    Array.from({ length: Math.min(16, count - i) }, (_, k) =>
      directory.put(`retained-${i + k}`, { ...user, metadata: { groups: [], elastauth: state } }),
    ),
  )
console.log(`created ${count} users in ${seconds(startedAt)} s`)

for (const [what, aheadMs] of [
  ['disabled', 0],
  ['deleted', 90 * day],
] as const) {
  const retention = createRetention({
    ...{ directory, keys, states: noSharedStates, invalidateApiKeys: createApiKeys(() => client, call).invalidateAll },
    preparePassword: createPasswordWriter({ keys, sendsHash: hashing.isOn }),
    rules: {
      ...{ expirationMs: 60 * 60_000, rotationPauseMs: 1000, extend: false },
      ...{ adoptExisting: false, rekey: 'allow', changeIntervalMs: 5000 },
    },
    retention: { disableAfterMs: day / 2, deleteAfterMs: 30 * day, invalidateApiKeys: false },
    now: () => Date.now() + aheadMs,
    forget: () => {},
    report: () => {},
  })
  let [done, largestHeap] = [0, 0]
  const passAt = performance.now()
  for (let after: string | undefined; ; ) {
    const page = await directory.page(after, 100)
    for (const listed of page) if (retention.dueFor(listed) && (await retention.apply(listed.username))) done++
    globalThis.gc?.()
    largestHeap = Math.max(largestHeap, process.memoryUsage().heapUsed)
    after = page.at(-1)?.username
    if (page.length < 100) break
  }
  console.log(`${what} ${done} users in ${seconds(passAt)} s; heap at most ${Math.round(largestHeap / 2 ** 20)} MiB`)
}
await client.close()
await node.stop()

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}

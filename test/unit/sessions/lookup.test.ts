import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideLookup, type LookupDecision } from '../../../src/sessions/lookup.ts'
import type { CachedSession } from '../../../src/sessions/session-cache.ts'

const timeouts = { idleTimeoutMs: 3000, lifetimeMs: 10_000, graceMs: 1000 }
const time = 1_790_000_000_000
const uptimeMs = 50_000
const fresh: CachedSession = {
  key: 'key',
  identity: { username: 'alice', groups: [], provider: 'oidc' },
  freshUntil: time + 1,
  endsAt: time + 1,
  nextLookupAt: uptimeMs + 1,
  usedAt: uptimeMs - 2999,
  touchedAt: 0,
  nextRefreshAt: uptimeMs,
}

const rows: readonly [session: string, changes: Partial<CachedSession>, decision: LookupDecision][] = [
  ['a fresh session', {}, 'serve'],
  ['a session whose next lookup is due', { nextLookupAt: uptimeMs }, 'serve-and-look-up'],
  ['a session with stale claims', { freshUntil: time }, 'look-up-first'],
  ['a session with stale claims after a failed refresh', { freshUntil: time, nextRefreshAt: uptimeMs + 1 }, 'serve'],
  [
    'a session with stale claims after a failed refresh whose next lookup is due',
    { freshUntil: time, nextRefreshAt: uptimeMs + 1, nextLookupAt: uptimeMs },
    'serve-and-look-up',
  ],
  ['an idle session', { usedAt: uptimeMs - 3000 }, 'expired'],
  ['a session at its end', { endsAt: time }, 'expired'],
  ['an idle session with stale claims', { usedAt: uptimeMs - 3000, freshUntil: time }, 'expired'],
]

describe('lookup decisions', () => {
  for (const [session, changes, decision] of rows) {
    test(`the lookup decision for ${session} is ${decision}`, () => {
      assert.equal(decideLookup({ ...fresh, ...changes }, timeouts, time, uptimeMs), decision)
    })
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideLookup, type LookupDecision } from '../../../src/sessions/find-session.ts'
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

/** Yes, no, or either, for: idle, ended, stale claims, refresh possible, lookup due. The columns are the inputs of `decideLookup`. */
const table: readonly [conditions: string, decision: LookupDecision][] = [
  ['yes -   -   -   -  ', 'expired'],
  ['no  yes -   -   -  ', 'expired'],
  ['no  no  yes yes -  ', 'look-up-first'],
  ['no  no  yes no  yes', 'serve-and-look-up'],
  ['no  no  yes no  no ', 'serve'],
  ['no  no  no  -   yes', 'serve-and-look-up'],
  ['no  no  no  -   no ', 'serve'],
]

describe('every combination of the inputs of a lookup decision', () => {
  for (const conditions of allCombinations(5)) {
    const matching = table.filter(([row]) => matches(row, conditions))
    const [idle, ended, stale, refreshPossible, lookupDue] = conditions
    test(`a session with idle ${idle}, ended ${ended}, stale claims ${stale}, refresh possible ${refreshPossible} and lookup due ${lookupDue} matches one row, and the decision is ${matching[0]?.[1]}`, () => {
      assert.equal(matching.length, 1)
      for (const distance of [0, 1, 1e9]) {
        const session: CachedSession = {
          ...fresh,
          usedAt: uptimeMs - timeouts.idleTimeoutMs + until(idle, distance),
          endsAt: time + until(ended, distance),
          freshUntil: time + until(stale, distance),
          nextRefreshAt: uptimeMs + until(refreshPossible, distance),
          nextLookupAt: uptimeMs + until(lookupDue, distance),
        }
        assert.equal(decideLookup(session, timeouts, time, uptimeMs), matching[0]![1])
      }
    })
  }
})

type YesOrNo = 'yes' | 'no'

/** Milliseconds until a condition holds: at most 0 if it holds, and at least 1 if not. */
function until(condition: YesOrNo | undefined, distance: number): number {
  return condition === 'yes' ? -distance : 1 + distance
}

function allCombinations(length: number): YesOrNo[][] {
  if (length === 0) return [[]]
  return allCombinations(length - 1).flatMap((rest) => [
    ['yes', ...rest],
    ['no', ...rest],
  ])
}

function matches(row: string, conditions: readonly YesOrNo[]): boolean {
  const cells = row.trim().split(/ +/)
  return cells.every((cell, i) => cell === '-' || cell === conditions[i])
}

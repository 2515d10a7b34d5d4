import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedState, StoredUser } from '../../../../../src/auth/credentials/managed-user.ts'
import { decideRetention, type RetentionRules } from '../../../../../src/auth/credentials/retention/decide-retention.ts'
import { hour, noon, rules } from '../fixture.ts'

const day = 24 * hour
/** When the password that was issued at noon expires. */
const expiry = noon + hour
const both: RetentionRules = { disableAfterMs: 12 * hour, deleteAfterMs: 90 * day, invalidateApiKeys: false }
const onlyDelete: RetentionRules = { ...both, disableAfterMs: undefined }
const onlyDisable: RetentionRules = { ...both, deleteAfterMs: undefined }
const keys = { currentId: 'new-key', knows: (id: string) => ['new-key', 'old-key'].includes(id) }
const state: ManagedState = {
  created: '2026-11-01',
  version: 7,
  key_id: 'old-key',
  issued_at: noon,
  fingerprint: 'f',
}
const next = { ...state, version: 8, key_id: 'new-key' }
const marked = { ...state, disabled_idle: 7 }

const user = (elastauth: unknown = state, more: Partial<StoredUser> = {}): StoredUser => ({
  reserved: false,
  enabled: true,
  roles: ['reader'],
  metadata: { elastauth },
  ...more,
})
const disabled = { enabled: false }
const disabledIdle = (issued_at = noon) => ({
  ...{ kind: 'write', reason: 'disabled_idle', state: { ...next, issued_at } },
  ...{ enabled: false, hasRetentionMark: true },
})
const enabledAt = (now: number) => ({ kind: 'write', reason: 'enabled', state: { ...next, issued_at: now } })

type Row = [situation: string, stored: StoredUser | undefined, after: number, decision: unknown, rules?: RetentionRules]

const rows: Row[] = [
  ['an absent user', undefined, 365 * day, 'none'],
  ['a reserved user', user(state, { reserved: true }), 365 * day, 'none'],
  ['a foreign user', user(undefined, { metadata: {} }), 365 * day, 'none'],
  ['a user under an unknown key', user({ ...state, key_id: 'lost' }), 365 * day, 'none'],
  ['a user under an unknown key with our mark', user({ ...marked, key_id: 'lost' }, disabled), 365 * day, 'none'],
  ['a user a millisecond before disable_after', user(), 12 * hour - 1, 'none'],
  ['a user at disable_after', user(), 12 * hour, disabledIdle()],
  [
    'a user whose password was extended, a millisecond before disable_after',
    user({ ...state, extended_at: noon + 5 }),
    12 * hour + 4,
    'none',
  ],
  [
    'a user whose password was extended, at disable_after: the state keeps the time of the extension',
    user({ ...state, extended_at: noon + 5 }),
    12 * hour + 5,
    disabledIdle(noon + 5),
  ],
  ['a user a millisecond before delete_after', user(), 90 * day - 1, disabledIdle()],
  ['a user at delete_after', user(), 90 * day, 'delete'],
  [
    'a user at delete_after who was revoked less than delete_after ago',
    user({ ...state, not_before: expiry + 1 }),
    90 * day,
    { ...disabledIdle(), state: { ...next, issued_at: noon, not_before: expiry + 1 } },
  ],
  [
    'a user whom we disabled and who was revoked less than delete_after ago',
    user({ ...marked, not_before: expiry + 80 * day }, disabled),
    99 * day,
    'none',
  ],
  [
    'a user whose time of revocation is malformed, after years',
    user({ ...marked, not_before: 'x' }, disabled),
    3650 * day,
    'none',
  ],
  ['a user who was revoked delete_after ago', user({ ...state, not_before: expiry }), 90 * day, 'delete'],
  ['a user who is never disabled, before delete_after', user(), 90 * day - 1, 'none', onlyDelete],
  ['a user who is never disabled, at delete_after', user(), 90 * day, 'delete', onlyDelete],
  ['a user who is never deleted, after years', user(), 3650 * day, disabledIdle(), onlyDisable],
  ['a user whom an administrator disabled', user(state, disabled), 12 * hour, 'none'],
  ['a user whom an administrator disabled, after years', user(state, disabled), 3650 * day, 'none'],
  [
    'a disabled user with a mark for another version',
    user({ ...marked, disabled_idle: 6 }, disabled),
    99 * day,
    'none',
  ],
  [
    'a disabled user with a mark that is not a number',
    user({ ...marked, disabled_idle: '7' }, disabled),
    99 * day,
    'none',
  ],
  ['a user whom we disabled, before delete_after', user(marked, disabled), 90 * day - 1, 'none'],
  ['a user whom we disabled, at delete_after', user(marked, disabled), 90 * day, 'delete'],
  ['a user whom we disabled, without delete_after', user(marked, disabled), 3650 * day, 'none', onlyDisable],
  ['a user whom an administrator enabled after us', user(marked), 13 * hour, enabledAt(expiry + 13 * hour)],
  [
    'a user whom an administrator enabled after us, after years',
    user(marked),
    3650 * day,
    enabledAt(expiry + 3650 * day),
  ],
  ['a user whose times are in the future', user({ ...state, issued_at: noon + 99 * day }), day, 'none'],
  ['a user whose issue time is corrupt', user({ ...state, issued_at: -1 }), 3650 * day, 'none'],
  ['a user whose extension time is corrupt', user({ ...state, extended_at: -1 }), 3650 * day, 'none'],
  ['a user whose version is corrupt', user({ ...state, version: 1e300 }), 3650 * day, 'none'],
]

describe('decideRetention', () => {
  for (const [situation, stored, after, expected, retention = both] of rows) {
    const what = typeof expected === 'string' ? expected : (expected as { reason: string }).reason
    test(`decideRetention: ${situation}: ${what}`, () => {
      const decision = decideRetention({ stored, now: expiry + after, keys, rules, retention })
      assert.deepEqual(decision, typeof expected === 'string' ? { kind: expected } : expected)
    })
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Decision, decide, expiryOf, type LifecycleRules } from '../../../../src/auth/credentials/lifecycle.ts'
import type { ManagedState, StoredUser } from '../../../../src/auth/credentials/managed-user.ts'
import { accessOf } from '../../../../src/auth/subject.ts'

const day = 24 * 60 * 60 * 1000
const hour = 60 * 60 * 1000
const pause = 1000
const noon = Date.UTC(2026, 10, 23, 12)
const midnight = Date.UTC(2026, 10, 24)
const expiry = noon + hour

const rules: LifecycleRules = {
  expirationMs: hour,
  rotationPauseMs: pause,
  extend: false,
  adoptExisting: false,
  rekey: 'allow',
  changeIntervalMs: 5000,
}
const keys = { currentId: 'new-key', knows: (id: string) => ['new-key', 'old-key'].includes(id) }
const groups = ['staff']
const subject = {
  roles: ['reader', 'writer'],
  fingerprint: 'same',
  access: accessOf(['reader', 'writer'], groups),
  authenticatedAt: Number.MAX_SAFE_INTEGER,
}
const state: ManagedState = {
  created: '2026-11-01',
  version: 7,
  key_id: 'new-key',
  issued_at: noon,
  fingerprint: 'same',
}
const next = { ...state, version: 8 }

const user = (elastauth: unknown = state, more: Partial<StoredUser> = {}): StoredUser => ({
  reserved: false,
  enabled: true,
  roles: subject.roles,
  metadata: { elastauth },
  ...more,
})
const foreign = user(undefined, { metadata: {} })
const first = (created: string, now: number) => ({
  created,
  version: 1,
  key_id: 'new-key',
  issued_at: now,
  fingerprint: 'same',
})
const written = (reason: string, state: ManagedState) => ({ kind: 'write', reason, state })
const adopted = (state: ManagedState) => ({ kind: 'adopt', state })
const waiting = (until: number) => ({ kind: 'wait', until })
const rejected = (code: string) => ({ kind: 'reject', code })

type Given = {
  now?: number
  rules?: Partial<LifecycleRules>
  rejected?: ManagedState
  roles?: string[]
  lastOwnedAt?: number
}
type Row = [situation: string, stored: StoredUser | undefined, given: Given, decision: unknown]

const changed = { ...state, fingerprint: 'other' }
const extend = { extend: true }
const extendedTo = (extended_at: number, issued_at = noon): ManagedState => ({ ...state, issued_at, extended_at })
const extensionLimit = noon + day

const rows: Row[] = [
  ['an absent user is created', undefined, { now: noon }, written('created', first('2026-11-23', noon))],
  [
    'an absent user is created just before the last rotation pause of the day',
    undefined,
    { now: midnight - pause - 1 },
    written('created', first('2026-11-23', midnight - pause - 1)),
  ],
  [
    'an absent user waits for midnight in the last rotation pause of the day, when replicas could disagree on the day',
    undefined,
    { now: midnight - pause },
    waiting(midnight),
  ],
  [
    'an absent user waits for midnight in the last millisecond of the day',
    undefined,
    { now: midnight - 1 },
    waiting(midnight),
  ],
  [
    'an absent user is created at midnight with the new day',
    undefined,
    { now: midnight },
    written('created', first('2026-11-24', midnight)),
  ],
  [
    'an absent user is created in the last millisecond of the day if there is no rotation pause',
    undefined,
    { now: midnight - 1, rules: { rotationPauseMs: 0 } },
    written('created', first('2026-11-23', midnight - 1)),
  ],
  [
    'an absent user whose password was rejected is created',
    undefined,
    { now: noon, rejected: state },
    written('created', first('2026-11-23', noon)),
  ],

  ['a reserved user is rejected', user(state, { reserved: true }), {}, rejected('user_reserved')],
  [
    'a reserved user is rejected even with adopt_existing_users',
    { ...foreign, reserved: true },
    { rules: { adoptExisting: true } },
    rejected('user_reserved'),
  ],
  [
    'a reserved and disabled user is rejected as reserved',
    user(state, { reserved: true, enabled: false }),
    {},
    rejected('user_reserved'),
  ],
  [
    'a disabled user is rejected, since a write would enable it',
    user(state, { enabled: false }),
    {},
    rejected('user_disabled'),
  ],
  [
    'a disabled foreign user is rejected even with adopt_existing_users',
    { ...foreign, enabled: false },
    { rules: { adoptExisting: true } },
    rejected('user_disabled'),
  ],
  [
    'a disabled user with an expired password is rejected',
    user(state, { enabled: false }),
    { now: expiry + pause },
    rejected('user_disabled'),
  ],
  [
    'a disabled user whose password was rejected is rejected',
    user(state, { enabled: false }),
    { rejected: state },
    rejected('user_disabled'),
  ],
  [
    'a user whom user_retention disabled is enabled, with the next version',
    user({ ...state, disabled_idle: 7 }, { enabled: false }),
    { now: noon + 30 * day },
    written('enabled', { ...next, issued_at: noon + 30 * day }),
  ],
  [
    'a disabled user with the mark of user_retention for another version is rejected',
    user({ ...state, disabled_idle: 6 }, { enabled: false }),
    { now: noon + 30 * day },
    rejected('user_disabled'),
  ],
  [
    'a user whom user_retention disabled under an unknown key is rejected, because the mark proves nothing',
    user({ ...state, key_id: 'lost', disabled_idle: 7 }, { enabled: false }),
    { now: noon + 30 * day },
    rejected('user_disabled'),
  ],
  [
    'an enabled user with the mark of user_retention is written without it, even if the password has not expired',
    user({ ...state, disabled_idle: 7 }),
    {},
    written('enabled', { ...next, issued_at: noon }),
  ],
  ['a foreign user is rejected', foreign, {}, rejected('user_foreign')],
  [
    'a foreign user is taken over with adopt_existing_users',
    foreign,
    { rules: { adoptExisting: true } },
    written('taken_over', first('2026-11-23', noon)),
  ],
  [
    'a foreign user with adopt_existing_users waits for midnight in the last rotation pause of the day',
    foreign,
    { now: midnight - 1, rules: { adoptExisting: true } },
    waiting(midnight),
  ],

  ['a managed user with a current password is adopted without a write', user(), {}, adopted(state)],
  [
    'a password of the previous key is kept until it expires',
    user({ ...state, key_id: 'old-key' }),
    {},
    adopted({ ...state, key_id: 'old-key' }),
  ],
  [
    'an expired password of the previous key is rotated to the current key',
    user({ ...state, key_id: 'old-key' }),
    { now: expiry + pause },
    written('rotated', { ...next, issued_at: expiry + pause }),
  ],
  ['a user under an unknown key is rekeyed', user({ ...state, key_id: 'lost' }), {}, written('rekeyed', next)],
  [
    'a user under an unknown key is rekeyed in the rotation pause, since no replica can hand out the old password',
    user({ ...state, key_id: 'lost' }),
    { now: expiry },
    written('rekeyed', { ...next, issued_at: expiry }),
  ],
  [
    'a user under an unknown key that this process owned within the expiration is a key conflict',
    user({ ...state, key_id: 'lost' }),
    { now: noon + hour - 1, lastOwnedAt: noon },
    rejected('key_conflict'),
  ],
  [
    'a user under an unknown key that this process owned one expiration ago is rekeyed',
    user({ ...state, key_id: 'lost' }),
    { now: noon + hour, lastOwnedAt: noon },
    written('rekeyed', { ...next, issued_at: noon + hour }),
  ],
  [
    'a user under an unknown key is a key conflict with rekey never',
    user({ ...state, key_id: 'lost' }),
    { rules: { rekey: 'never' } },
    rejected('key_conflict'),
  ],
  [
    'a password of the previous key is kept with rekey never',
    user({ ...state, key_id: 'old-key' }),
    { rules: { rekey: 'never' }, lastOwnedAt: noon },
    adopted({ ...state, key_id: 'old-key' }),
  ],
  [
    'a disabled user under an unknown key is rejected as disabled',
    user({ ...state, key_id: 'lost' }, { enabled: false }),
    { lastOwnedAt: noon },
    rejected('user_disabled'),
  ],
  [
    'an absent user that this process owned a moment ago is created with rekey never',
    undefined,
    { rules: { rekey: 'never' }, lastOwnedAt: noon },
    written('created', first('2026-11-23', noon)),
  ],
  ['a rejected password is replaced by the next version', user(), { rejected: state }, written('healed', next)],
  [
    'a rejected password with another issued_at is replaced by the next version',
    user({ ...state, issued_at: noon + 1 }),
    { rejected: state },
    written('healed', next),
  ],
  [
    'a rejected password is replaced in the rotation pause',
    user(),
    { now: expiry, rejected: state },
    written('healed', { ...next, issued_at: expiry }),
  ],
  ['the stored password is adopted if an older version was rejected', user(next), { rejected: state }, adopted(next)],
  [
    'the stored password is adopted if a password of another key was rejected',
    user(),
    { rejected: { ...state, key_id: 'old-key' } },
    adopted(state),
  ],
  [
    'the stored password is adopted if a password of an earlier creation day was rejected',
    user(),
    { rejected: { ...state, created: '2026-10-01' } },
    adopted(state),
  ],

  [
    'a password is adopted one millisecond before the last rotation pause of its life',
    user(),
    { now: expiry - pause - 1 },
    adopted(state),
  ],
  ['a password is adopted in the last rotation pause of its life', user(), { now: expiry - pause }, adopted(state)],
  ['a password is adopted in its last millisecond', user(), { now: expiry - 1 }, adopted(state)],
  ['an expired password waits for the rotation pause to end', user(), { now: expiry }, waiting(expiry + pause)],
  [
    'an expired password waits in the last millisecond of the rotation pause',
    user(),
    { now: expiry + pause - 1 },
    waiting(expiry + pause),
  ],
  [
    'an expired password is rotated after the rotation pause',
    user(),
    { now: expiry + pause },
    written('rotated', { ...next, issued_at: expiry + pause }),
  ],
  [
    'a password that expired long ago is rotated',
    user(),
    { now: expiry + 400 * day },
    written('rotated', { ...next, issued_at: expiry + 400 * day }),
  ],
  [
    'an expired password is rotated at once if there is no rotation pause',
    user(),
    { now: expiry, rules: { rotationPauseMs: 0 } },
    written('rotated', { ...next, issued_at: expiry }),
  ],

  ['changed groups are written at once with the same password', user(changed), {}, written('changed', state)],
  [
    'changed groups are written in the last millisecond before the last rotation pause',
    user(changed),
    { now: expiry - pause - 1 },
    written('changed', state),
  ],
  [
    'changed groups wait for the rotation in the last rotation pause, when a late write could undo it',
    user(changed),
    { now: expiry - pause },
    waiting(expiry + pause),
  ],
  [
    'changed groups wait for the rotation of an expired password',
    user(changed),
    { now: expiry },
    waiting(expiry + pause),
  ],
  [
    'changed groups and an expired password are one write',
    user(changed),
    { now: expiry + pause },
    written('rotated', { ...next, issued_at: expiry + pause }),
  ],
  [
    'changed groups are written with the same password of the previous key',
    user({ ...changed, key_id: 'old-key' }),
    {},
    written('changed', { ...state, key_id: 'old-key' }),
  ],
  [
    'a role that was removed in Elasticsearch is restored',
    user(state, { roles: ['reader'] }),
    {},
    written('changed', state),
  ],
  [
    'a role that was added in Elasticsearch is removed',
    user(state, { roles: ['reader', 'writer', 'superuser'] }),
    {},
    written('changed', state),
  ],
  [
    'a role that was replaced in Elasticsearch is restored',
    user(state, { roles: ['reader', 'superuser'] }),
    {},
    written('changed', state),
  ],
  ['the same roles in another order are adopted', user(state, { roles: ['writer', 'reader'] }), {}, adopted(state)],
  ['a duplicate role is adopted', user(state, { roles: ['writer', 'reader', 'writer'] }), {}, adopted(state)],

  [
    'a changed name or email with the same roles and groups is adopted',
    user(changed, { metadata: { groups, elastauth: changed } }),
    {},
    adopted(changed),
  ],
  [
    'a changed name with the groups in another order is adopted',
    user(changed, { metadata: { groups: ['staff'], elastauth: changed } }),
    {},
    adopted(changed),
  ],
  [
    'a changed name is written with the rotation of an expired password',
    user(changed, { metadata: { groups, elastauth: changed } }),
    { now: expiry + pause },
    written('rotated', { ...next, issued_at: expiry + pause }),
  ],
  [
    'a changed name is written with an extension',
    user(changed, { metadata: { groups, elastauth: changed } }),
    { now: noon + hour / 2 + 1, rules: extend },
    written('extended', extendedTo(noon + hour / 2 + 1)),
  ],
  [
    'a changed name with changed roles is written',
    user(changed, { roles: ['reader'], metadata: { groups, elastauth: changed } }),
    {},
    written('changed', state),
  ],
  [
    'changed groups that map to the same roles are written',
    user(changed, { metadata: { groups: ['staff', 'guests'], elastauth: changed } }),
    {},
    written('changed', state),
  ],
  [
    'stored groups that are not a list are replaced',
    user(changed, { metadata: { groups: 'staff', elastauth: changed } }),
    {},
    written('changed', state),
  ],
  ['changed groups wait for the change interval', user({ ...changed, changed_at: noon - 1 }), {}, waiting(noon + 4999)],
  [
    'changed groups wait in the last millisecond of the change interval',
    user({ ...changed, changed_at: noon - 4999 }),
    {},
    waiting(noon + 1),
  ],
  [
    'changed groups are written after the change interval',
    user({ ...changed, changed_at: noon - 5000 }),
    {},
    written('changed', state),
  ],
  [
    'changed groups wait for a change interval that a clock ahead of ours has started',
    user({ ...changed, changed_at: noon + 900 }),
    {},
    waiting(noon + 5900),
  ],
  [
    'changed groups are written if changed_at is implausibly far in the future',
    user({ ...changed, changed_at: noon + 5001 }),
    {},
    written('changed', state),
  ],
  ...[-1, 1.5, 'now', null, Number.NaN].map(
    (changed_at): Row => [
      `changed groups are written if changed_at is not a time (${changed_at})`,
      user({ ...changed, changed_at }),
      {},
      written('changed', state),
    ],
  ),
  [
    'a user as expected is adopted within the change interval',
    user({ ...state, changed_at: noon - 1 }),
    {},
    adopted(state),
  ],
  [
    'an expired password is rotated within the change interval',
    user({ ...changed, changed_at: expiry + pause - 1 }),
    { now: expiry + pause },
    written('rotated', { ...next, issued_at: expiry + pause }),
  ],
  [
    'a password with more than half of its time left is not extended',
    user(),
    { now: noon + hour / 2 - 1, rules: extend },
    adopted(state),
  ],
  [
    'a password with half of its time left is not extended',
    user(),
    { now: noon + hour / 2, rules: extend },
    adopted(state),
  ],
  [
    'a password with less than half of its time left is extended',
    user(),
    { now: noon + hour / 2 + 1, rules: extend },
    written('extended', extendedTo(noon + hour / 2 + 1)),
  ],
  [
    'a password is extended in the last millisecond before the last rotation pause',
    user(),
    { now: expiry - pause - 1, rules: extend },
    written('extended', extendedTo(expiry - pause - 1)),
  ],
  [
    'a password is not extended in the last rotation pause',
    user(),
    { now: expiry - pause, rules: extend },
    adopted(state),
  ],
  [
    'an expired password waits for its rotation, not for an extension',
    user(),
    { now: expiry, rules: extend },
    waiting(expiry + pause),
  ],
  [
    'an extended password is extended again after its first expiry',
    user(extendedTo(expiry - hour / 2)),
    { now: expiry + 1, rules: extend },
    written('extended', extendedTo(expiry + 1)),
  ],
  [
    'an extended password keeps its expiry if extending is disabled later',
    user(extendedTo(expiry - hour / 2)),
    { now: expiry + 1 },
    adopted(extendedTo(expiry - hour / 2)),
  ],
  [
    'an extended password waits for its rotation at its later expiry',
    user(extendedTo(expiry)),
    { now: expiry + hour },
    waiting(expiry + hour + pause),
  ],
  [
    'a password is not extended past the limit',
    user(extendedTo(extensionLimit - hour)),
    { now: extensionLimit - hour / 4, rules: extend },
    adopted(extendedTo(extensionLimit - hour)),
  ],
  [
    'a password that was extended past the limit by hand expires at the limit',
    user(extendedTo(extensionLimit)),
    { now: extensionLimit, rules: extend },
    waiting(extensionLimit + pause),
  ],
  [
    'a password with an extended_at in the far future is rotated at the limit',
    user(extendedTo(noon + 900 * day)),
    { now: extensionLimit + pause, rules: extend },
    written('rotated', { ...next, issued_at: extensionLimit + pause }),
  ],
  [
    'a password with an expiration above the limit is not extended',
    user(),
    { now: noon + 40 * hour, rules: { extend: true, expirationMs: 48 * hour } },
    adopted(state),
  ],
  [
    'changed groups are written before an extension',
    user(changed),
    { now: expiry - pause - 1, rules: extend },
    written('changed', state),
  ],
  [
    'a changed user keeps the extension',
    user({ ...extendedTo(noon + 1), fingerprint: 'other' }),
    {},
    written('changed', extendedTo(noon + 1)),
  ],
  [
    'a rotated user loses the extension',
    user(extendedTo(expiry)),
    { now: expiry + hour + pause },
    written('rotated', { ...next, issued_at: expiry + hour + pause }),
  ],

  [
    'a password issued slightly in the future, by a clock ahead of ours, is adopted',
    user({ ...state, issued_at: noon + 500 }),
    {},
    adopted({ ...state, issued_at: noon + 500 }),
  ],
  [
    'a password issued at the last plausible time is adopted',
    user({ ...state, issued_at: noon + hour + day }),
    {},
    adopted({ ...state, issued_at: noon + hour + day }),
  ],
  [
    'a password issued implausibly far in the future is rotated, since it would never expire',
    user({ ...state, issued_at: noon + hour + day + 1 }),
    {},
    written('rotated', next),
  ],
  ['a password issued in 1970 is rotated', user({ ...state, issued_at: 0 }), {}, written('rotated', next)],
]

describe('decide', () => {
  for (const [
    situation,
    stored,
    { now = noon, rules: overrides, rejected, roles = subject.roles, lastOwnedAt },
    decision,
  ] of rows) {
    test(situation, () => {
      const made: Decision = decide({
        stored,
        subject: { ...subject, roles },
        now,
        keys,
        rules: { ...rules, ...overrides },
        rejected,
        lastOwnedAt,
      })
      assert.deepEqual(made, decision)
    })
  }
})

const { created: _, ...withoutCreated } = state
const { version: __, ...withoutVersion } = state
const { key_id: ___, ...withoutKey } = state
const { issued_at: ____, ...withoutIssued } = state
const { fingerprint: _____, ...withoutFingerprint } = state

describe('a user with malformed metadata.elastauth counts as foreign', () => {
  const malformed: unknown[] = [
    undefined,
    null,
    true,
    7,
    'ours',
    [],
    [state],
    {},
    () => state,
    withoutCreated,
    withoutVersion,
    withoutKey,
    withoutIssued,
    withoutFingerprint,
    { ...state, created: 20261101 },
    { ...state, created: '' },
    { ...state, created: '2026-11-01\n' },
    { ...state, created: '2026-11-01T00:00:00Z' },
    { ...state, created: '26-11-01' },
    { ...state, created: '2026-11-01\0x' },
    { ...state, version: '7' },
    { ...state, version: null },
    { ...state, issued_at: '2026-11-23' },
    { ...state, issued_at: null },
    { ...state, key_id: 7 },
    { ...state, key_id: null },
    { ...state, fingerprint: 7 },
    { ...state, fingerprint: null },
    { ...state, extended_at: 'later' },
    { ...state, extended_at: null },
  ]
  for (const [index, elastauth] of malformed.entries()) {
    test(`malformed metadata.elastauth makes the user foreign: ${typeof elastauth === 'function' ? 'a function' : JSON.stringify(elastauth)} (#${index})`, () => {
      const at = (adoptExisting: boolean) =>
        decide({
          stored: user(null, { metadata: { elastauth } }),
          subject,
          now: noon,
          keys,
          rules: { ...rules, adoptExisting },
        })
      assert.deepEqual(at(false), rejected('user_foreign'))
      assert.deepEqual(at(true), written('taken_over', first('2026-11-23', noon)))
    })
  }

  test('a write does not keep other fields of metadata.elastauth', () => {
    const stored = user({ ...changed, note: 'mine', password: 'x' })
    assert.deepEqual(decide({ stored, subject, now: noon, keys, rules }), written('changed', state))
  })
})

describe('a user with numbers in metadata.elastauth that elastauth never writes', () => {
  const today = '2026-11-23'
  const series = (now: number) => ({ ...first(today, now), version: Math.floor(now / 1000) })
  const extremeNumbers: Partial<Record<keyof ManagedState, number>>[] = [
    { version: Number.MAX_SAFE_INTEGER, issued_at: 0 },
    { version: 0 },
    { version: -1 },
    { version: 1.5 },
    { version: Number.NaN },
    { version: 2 ** 53 },
    { version: 1e300 },
    { version: Number.POSITIVE_INFINITY },
    { issued_at: -1 },
    { issued_at: 0.5 },
    { issued_at: 1e300 },
    { issued_at: Number.NaN },
  ]
  for (const numbers of extremeNumbers) {
    test(`metadata.elastauth with ${Object.entries(numbers).flat().join(' ')} starts a new series of versions, whose first password is adopted`, () => {
      const stored = user({ ...state, created: today, ...numbers })
      const decision = decide({ stored, subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', series(noon)))
      assert.ok(decision.kind === 'write')
      const after = decide({ stored: user(decision.state), subject, now: noon + 1, keys, rules })
      assert.deepEqual(after, { kind: 'adopt', state: decision.state })
    })
  }

  for (const extended_at of [-1, 0.5, -1e300, 1e300, Number.NaN]) {
    test(`extended_at ${extended_at} means that the password has expired, and the next version is written`, () => {
      const decision = decide({ stored: user({ ...state, extended_at }), subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', { ...next, issued_at: noon }))
    })
  }

  test('a password of the largest possible version is adopted until it expires', () => {
    const last = { ...state, version: Number.MAX_SAFE_INTEGER }
    assert.deepEqual(decide({ stored: user(last), subject, now: noon, keys, rules }), { kind: 'adopt', state: last })
  })

  test('a series started by a rejected password, an unknown key or a rotation never repeats a password of the same day', () => {
    const last = { ...state, created: today, version: Number.MAX_SAFE_INTEGER }
    const situations = [
      { rejected: last, now: noon },
      { state: { ...last, key_id: 'lost' }, now: noon + 1000 },
      { now: expiry + pause },
    ]
    const versions = situations.map(({ state: stored = last, rejected: rejectedState, now }) => {
      const decision = decide({ stored: user(stored), subject, now, keys, rules, rejected: rejectedState })
      assert.ok(decision.kind === 'write')
      assert.equal(decision.state.created, today)
      return decision.state.version
    })
    assert.equal(new Set(versions).size, 3)
    assert.ok(versions.every((version) => version > 86_400 && Number.isSafeInteger(version + 1e9)))
  })

  test('an invalid calendar day in created is kept, and the passwords of that day rotate', () => {
    const odd = { ...state, created: '2026-99-99' }
    assert.deepEqual(decide({ stored: user(odd), subject, now: noon, keys, rules }), { kind: 'adopt', state: odd })
    const { state: rotated } = decide({ stored: user(odd), subject, now: expiry + pause, keys, rules }) as {
      state: ManagedState
    }
    assert.deepEqual([rotated.created, rotated.version], ['2026-99-99', state.version + 1])
  })

  test('a password issued in the far future is rotated at once', () => {
    for (const issued_at of [noon + 365 * day, Number.MAX_SAFE_INTEGER]) {
      const decision = decide({ stored: user({ ...state, issued_at }), subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', { ...next, issued_at: noon }))
    }
  })
})

describe('expiryOf', () => {
  const ends: [string, ManagedState, number, number][] = [
    ['expiryOf is issued_at plus the expiration', state, hour, expiry],
    ['expiryOf is extended_at plus the expiration for an extended password', extendedTo(noon + 5), hour, expiry + 5],
    ['expiryOf is at most a day after issued_at', extendedTo(noon + 2 * day), hour, noon + day],
    [
      'expiryOf is at most the expiration after issued_at if that is longer than a day',
      extendedTo(noon + 9 * day),
      2 * day,
      noon + 2 * day,
    ],
    ['expiryOf is earlier if extended_at is before issued_at', extendedTo(noon - 5), hour, expiry - 5],
  ]
  for (const [name, given, expirationMs, expected] of ends) {
    test(name, () => assert.equal(expiryOf(given, { ...rules, expirationMs }), expected))
  }
})

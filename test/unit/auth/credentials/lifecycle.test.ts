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
const end = noon + hour

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
const subject = { roles: ['reader', 'writer'], fingerprint: 'same', access: accessOf(['reader', 'writer'], groups) }
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
const latest = noon + day // the most that extending may reach

const rows: Row[] = [
  ['nobody there: created', undefined, { now: noon }, written('created', first('2026-11-23', noon))],
  [
    'nobody there, long before midnight',
    undefined,
    { now: midnight - pause - 1 },
    written('created', first('2026-11-23', midnight - pause - 1)),
  ],
  [
    'nobody there, a pause before midnight: both sides of it would differ',
    undefined,
    { now: midnight - pause },
    waiting(midnight),
  ],
  ['nobody there, the last millisecond of the day', undefined, { now: midnight - 1 }, waiting(midnight)],
  [
    'nobody there, midnight: created on the new day',
    undefined,
    { now: midnight },
    written('created', first('2026-11-24', midnight)),
  ],
  [
    'nobody there, no pause: even the last millisecond will do',
    undefined,
    { now: midnight - 1, rules: { rotationPauseMs: 0 } },
    written('created', first('2026-11-23', midnight - 1)),
  ],
  [
    'nobody there, though a password was rejected: created',
    undefined,
    { now: noon, rejected: state },
    written('created', first('2026-11-23', noon)),
  ],

  ['reserved', user(state, { reserved: true }), {}, rejected('user_reserved')],
  [
    'reserved and foreign, with adoption on: still rejected',
    { ...foreign, reserved: true },
    { rules: { adoptExisting: true } },
    rejected('user_reserved'),
  ],
  ['reserved comes before disabled', user(state, { reserved: true, enabled: false }), {}, rejected('user_reserved')],
  ['disabled: a write would enable it again', user(state, { enabled: false }), {}, rejected('user_disabled')],
  [
    'disabled and foreign, with adoption on: not enabled by the back door',
    { ...foreign, enabled: false },
    { rules: { adoptExisting: true } },
    rejected('user_disabled'),
  ],
  [
    'disabled and past its end: still rejected',
    user(state, { enabled: false }),
    { now: end + pause },
    rejected('user_disabled'),
  ],
  [
    'disabled, with its password rejected: still rejected',
    user(state, { enabled: false }),
    { rejected: state },
    rejected('user_disabled'),
  ],
  ['foreign', foreign, {}, rejected('user_foreign')],
  [
    'foreign, with adoption on: taken over',
    foreign,
    { rules: { adoptExisting: true } },
    written('taken_over', first('2026-11-23', noon)),
  ],
  [
    'foreign, with adoption on, just before midnight',
    foreign,
    { now: midnight - 1, rules: { adoptExisting: true } },
    waiting(midnight),
  ],

  ['ours and current: adopted without a write', user(), {}, adopted(state)],
  [
    'ours, under the previous key: kept until it ends',
    user({ ...state, key_id: 'old-key' }),
    {},
    adopted({ ...state, key_id: 'old-key' }),
  ],
  [
    'ours, under the previous key, at its end: the next one is of the current key',
    user({ ...state, key_id: 'old-key' }),
    { now: end + pause },
    written('rotated', { ...next, issued_at: end + pause }),
  ],
  ['ours, under a key that nobody knows', user({ ...state, key_id: 'lost' }), {}, written('rekeyed', next)],
  [
    'unknown key comes before the pause: nobody can hand out the old password anyway',
    user({ ...state, key_id: 'lost' }),
    { now: end },
    written('rekeyed', { ...next, issued_at: end }),
  ],
  [
    'unknown key, and we held the user a moment ago: another installation took it, so it is not taken back',
    user({ ...state, key_id: 'lost' }),
    { now: noon + hour - 1, lastOwnedAt: noon },
    rejected('key_conflict'),
  ],
  [
    'unknown key, and we held the user an expiration ago: taken over',
    user({ ...state, key_id: 'lost' }),
    { now: noon + hour, lastOwnedAt: noon },
    written('rekeyed', { ...next, issued_at: noon + hour }),
  ],
  [
    'unknown key, with rekey never: rejected though we never held the user',
    user({ ...state, key_id: 'lost' }),
    { rules: { rekey: 'never' } },
    rejected('key_conflict'),
  ],
  [
    'the previous key, with rekey never, held a moment ago: kept',
    user({ ...state, key_id: 'old-key' }),
    { rules: { rekey: 'never' }, lastOwnedAt: noon },
    adopted({ ...state, key_id: 'old-key' }),
  ],
  [
    'unknown key and disabled: disabled, whoever held the user',
    user({ ...state, key_id: 'lost' }, { enabled: false }),
    { lastOwnedAt: noon },
    rejected('user_disabled'),
  ],
  [
    'absent, with rekey never, held a moment ago: created',
    undefined,
    { rules: { rekey: 'never' }, lastOwnedAt: noon },
    written('created', first('2026-11-23', noon)),
  ],
  ['the stored password was rejected: healed', user(), { rejected: state }, written('healed', next)],
  [
    'rejected, with other dates but the same password: healed',
    user({ ...state, issued_at: noon + 1 }),
    { rejected: state },
    written('healed', next),
  ],
  [
    'rejected comes before the pause',
    user(),
    { now: end, rejected: state },
    written('healed', { ...next, issued_at: end }),
  ],
  [
    'an older password was rejected: the stored one is another, adopted',
    user(next),
    { rejected: state },
    adopted(next),
  ],
  [
    'a password of another key was rejected: adopted',
    user(),
    { rejected: { ...state, key_id: 'old-key' } },
    adopted(state),
  ],
  [
    'a password of the user’s former life was rejected: adopted',
    user(),
    { rejected: { ...state, created: '2026-10-01' } },
    adopted(state),
  ],

  ['one millisecond before its last pause', user(), { now: end - pause - 1 }, adopted(state)],
  ['in its last pause', user(), { now: end - pause }, adopted(state)],
  ['its last millisecond', user(), { now: end - 1 }, adopted(state)],
  ['its end: handed out no more, nobody writes yet', user(), { now: end }, waiting(end + pause)],
  ['the last millisecond of the pause', user(), { now: end + pause - 1 }, waiting(end + pause)],
  ['the pause is over: rotated', user(), { now: end + pause }, written('rotated', { ...next, issued_at: end + pause })],
  [
    'long past its end: rotated',
    user(),
    { now: end + 400 * day },
    written('rotated', { ...next, issued_at: end + 400 * day }),
  ],
  [
    'no pause: rotated at its end',
    user(),
    { now: end, rules: { rotationPauseMs: 0 } },
    written('rotated', { ...next, issued_at: end }),
  ],

  ['other groups: same password, at once', user(changed), {}, written('changed', state)],
  [
    'other groups, the last millisecond in which a write is safe',
    user(changed),
    { now: end - pause - 1 },
    written('changed', state),
  ],
  [
    'other groups, too late: a late write would undo a rotation',
    user(changed),
    { now: end - pause },
    waiting(end + pause),
  ],
  ['other groups at its end: rotated soon, not changed', user(changed), { now: end }, waiting(end + pause)],
  [
    'other groups and past its end: one write for both',
    user(changed),
    { now: end + pause },
    written('rotated', { ...next, issued_at: end + pause }),
  ],
  [
    'other groups under the previous key: the password stays',
    user({ ...changed, key_id: 'old-key' }),
    {},
    written('changed', { ...state, key_id: 'old-key' }),
  ],
  ['somebody took a role away: given back', user(state, { roles: ['reader'] }), {}, written('changed', state)],
  [
    'somebody added a role: taken back',
    user(state, { roles: ['reader', 'writer', 'superuser'] }),
    {},
    written('changed', state),
  ],
  ['somebody exchanged a role', user(state, { roles: ['reader', 'superuser'] }), {}, written('changed', state)],
  ['the same roles in another order are the same', user(state, { roles: ['writer', 'reader'] }), {}, adopted(state)],
  ['the same role twice is the same', user(state, { roles: ['writer', 'reader', 'writer'] }), {}, adopted(state)],

  [
    'another name or e-mail, the same roles and groups: adopted, and waits for the next write',
    user(changed, { metadata: { groups, elastauth: changed } }),
    {},
    adopted(changed),
  ],
  [
    'another name, the groups in another order and twice: adopted',
    user(changed, { metadata: { groups: ['staff'], elastauth: changed } }),
    {},
    adopted(changed),
  ],
  [
    'another name at its end: one rotation for both',
    user(changed, { metadata: { groups, elastauth: changed } }),
    { now: end + pause },
    written('rotated', { ...next, issued_at: end + pause }),
  ],
  [
    'another name when it is extended: written with it',
    user(changed, { metadata: { groups, elastauth: changed } }),
    { now: noon + hour / 2 + 1, rules: extend },
    written('extended', extendedTo(noon + hour / 2 + 1)),
  ],
  [
    'another name and other roles: changed',
    user(changed, { roles: ['reader'], metadata: { groups, elastauth: changed } }),
    {},
    written('changed', state),
  ],
  [
    'other groups that give the same roles: changed',
    user(changed, { metadata: { groups: ['staff', 'guests'], elastauth: changed } }),
    {},
    written('changed', state),
  ],
  [
    'groups that are no list: changed',
    user(changed, { metadata: { groups: 'staff', elastauth: changed } }),
    {},
    written('changed', state),
  ],
  [
    'other groups, and the last change was a moment ago: waits',
    user({ ...changed, changed_at: noon - 1 }),
    {},
    waiting(noon + 4999),
  ],
  [
    'other groups, the last millisecond of the change interval: waits',
    user({ ...changed, changed_at: noon - 4999 }),
    {},
    waiting(noon + 1),
  ],
  [
    'other groups, the change interval is over: changed',
    user({ ...changed, changed_at: noon - 5000 }),
    {},
    written('changed', state),
  ],
  [
    'other groups, changed by a replica whose clock is ahead: waits',
    user({ ...changed, changed_at: noon + 900 }),
    {},
    waiting(noon + 5900),
  ],
  [
    'other groups, changed in the far future, which is made up: changed',
    user({ ...changed, changed_at: noon + 5001 }),
    {},
    written('changed', state),
  ],
  ...[-1, 1.5, 'now', null, Number.NaN].map(
    (changed_at): Row => [
      `other groups, and a changed_at that is no time (${changed_at}): changed`,
      user({ ...changed, changed_at }),
      {},
      written('changed', state),
    ],
  ),
  ['as it should be, changed a moment ago: adopted', user({ ...state, changed_at: noon - 1 }), {}, adopted(state)],
  [
    'at its end, changed a moment ago: rotated all the same',
    user({ ...changed, changed_at: end + pause - 1 }),
    { now: end + pause },
    written('rotated', { ...next, issued_at: end + pause }),
  ],
  ['extend, more than half left', user(), { now: noon + hour / 2 - 1, rules: extend }, adopted(state)],
  ['extend, half left', user(), { now: noon + hour / 2, rules: extend }, adopted(state)],
  [
    'extend, less than half left',
    user(),
    { now: noon + hour / 2 + 1, rules: extend },
    written('extended', extendedTo(noon + hour / 2 + 1)),
  ],
  [
    'extend, the last millisecond in which a write is safe',
    user(),
    { now: end - pause - 1, rules: extend },
    written('extended', extendedTo(end - pause - 1)),
  ],
  ['extend, too late', user(), { now: end - pause, rules: extend }, adopted(state)],
  ['extend, at its end: rotated', user(), { now: end, rules: extend }, waiting(end + pause)],
  [
    'extended before: lives on past its first end',
    user(extendedTo(end - hour / 2)),
    { now: end + 1, rules: extend },
    written('extended', extendedTo(end + 1)),
  ],
  [
    'extended before, extending now off: keeps what it has',
    user(extendedTo(end - hour / 2)),
    { now: end + 1 },
    adopted(extendedTo(end - hour / 2)),
  ],
  ['extended before, at its later end', user(extendedTo(end)), { now: end + hour }, waiting(end + hour + pause)],
  [
    'extended to the cap: pushed no further',
    user(extendedTo(latest - hour)),
    { now: latest - hour / 4, rules: extend },
    adopted(extendedTo(latest - hour)),
  ],
  [
    'extended past the cap by hand: ends at the cap',
    user(extendedTo(latest)),
    { now: latest, rules: extend },
    waiting(latest + pause),
  ],
  [
    'extended_at made up in the far future: ends at the cap',
    user(extendedTo(noon + 900 * day)),
    { now: latest + pause, rules: extend },
    written('rotated', { ...next, issued_at: latest + pause }),
  ],
  [
    'an expiration above the cap: not extended',
    user(),
    { now: noon + 40 * hour, rules: { extend: true, expirationMs: 48 * hour } },
    adopted(state),
  ],
  [
    'extend and other groups: changed first',
    user(changed),
    { now: end - pause - 1, rules: extend },
    written('changed', state),
  ],
  [
    'changed keeps the extension',
    user({ ...extendedTo(noon + 1), fingerprint: 'other' }),
    {},
    written('changed', extendedTo(noon + 1)),
  ],
  [
    'rotated drops the extension',
    user(extendedTo(end)),
    { now: end + hour + pause },
    written('rotated', { ...next, issued_at: end + hour + pause }),
  ],

  [
    'issued a little in the future, by a clock that is ahead: adopted',
    user({ ...state, issued_at: noon + 500 }),
    {},
    adopted({ ...state, issued_at: noon + 500 }),
  ],
  [
    'issued in the future, as far as is believed',
    user({ ...state, issued_at: noon + hour + day }),
    {},
    adopted({ ...state, issued_at: noon + hour + day }),
  ],
  [
    'issued further in the future: made up, would live for ever',
    user({ ...state, issued_at: noon + hour + day + 1 }),
    {},
    written('rotated', next),
  ],
  ['issued in 1970: rotated', user({ ...state, issued_at: 0 }), {}, written('rotated', next)],
]

describe('decide', () => {
  for (const [
    situation,
    stored,
    { now = noon, rules: more, rejected, roles = subject.roles, lastOwnedAt },
    decision,
  ] of rows) {
    test(situation, () => {
      const made: Decision = decide({
        stored,
        subject: { ...subject, roles },
        now,
        keys,
        rules: { ...rules, ...more },
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

describe('metadata.elastauth that is not ours is a foreign user, never a crash', () => {
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
    test(`${index}: ${typeof elastauth === 'function' ? 'a function' : JSON.stringify(elastauth)}`, () => {
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

  test('what else is in metadata.elastauth is not carried on', () => {
    const stored = user({ ...changed, note: 'mine', password: 'x' })
    assert.deepEqual(decide({ stored, subject, now: noon, keys, rules }), written('changed', state))
  })
})

describe('metadata.elastauth with numbers that elastauth never wrote', () => {
  const today = '2026-11-23'
  const series = (now: number) => ({ ...first(today, now), version: Math.floor(now / 1000) })
  const beyond: Partial<Record<keyof ManagedState, number>>[] = [
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
  for (const numbers of beyond) {
    test(`${Object.entries(numbers).flat().join(' ')}: a new series begins, and the user keeps working`, () => {
      const stored = user({ ...state, created: today, ...numbers })
      const decision = decide({ stored, subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', series(noon)))
      assert.ok(decision.kind === 'write')
      const after = decide({ stored: user(decision.state), subject, now: noon + 1, keys, rules })
      assert.deepEqual(after, { kind: 'adopt', state: decision.state })
    })
  }

  for (const extended_at of [-1, 0.5, -1e300, 1e300, Number.NaN]) {
    test(`extended_at ${extended_at}: the password has ended, and the next version follows`, () => {
      const decision = decide({ stored: user({ ...state, extended_at }), subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', { ...next, issued_at: noon }))
    })
  }

  test('the last version serves until its end, like any other', () => {
    const last = { ...state, version: Number.MAX_SAFE_INTEGER }
    assert.deepEqual(decide({ stored: user(last), subject, now: noon, keys, rules }), { kind: 'adopt', state: last })
  })

  test('a series begun by a rejected password, a lost key or a rotation never repeats a password of the same day', () => {
    const last = { ...state, created: today, version: Number.MAX_SAFE_INTEGER }
    const situations = [
      { rejected: last, now: noon },
      { state: { ...last, key_id: 'lost' }, now: noon + 1000 },
      { now: end + pause },
    ]
    const versions = situations.map(({ state: stored = last, rejected: seen, now }) => {
      const decision = decide({ stored: user(stored), subject, now, keys, rules, rejected: seen })
      assert.ok(decision.kind === 'write')
      assert.equal(decision.state.created, today)
      return decision.state.version
    })
    assert.equal(new Set(versions).size, 3)
    assert.ok(versions.every((version) => version > 86_400 && Number.isSafeInteger(version + 1e9)))
  })

  test('an invalid calendar day derives a password like any other', () => {
    const odd = { ...state, created: '2026-99-99' }
    assert.deepEqual(decide({ stored: user(odd), subject, now: noon, keys, rules }), { kind: 'adopt', state: odd })
    const { state: rotated } = decide({ stored: user(odd), subject, now: end + pause, keys, rules }) as {
      state: ManagedState
    }
    assert.deepEqual([rotated.created, rotated.version], ['2026-99-99', state.version + 1])
  })

  test('times in the far future end at once', () => {
    for (const issued_at of [noon + 365 * day, Number.MAX_SAFE_INTEGER]) {
      const decision = decide({ stored: user({ ...state, issued_at }), subject, now: noon, keys, rules })
      assert.deepEqual(decision, written('rotated', { ...next, issued_at: noon }))
    }
  })
})

describe('endOf', () => {
  const ends: [string, ManagedState, number, number][] = [
    ['issued_at + expiration', state, hour, end],
    ['extended_at + expiration', extendedTo(noon + 5), hour, end + 5],
    ['at most a day after it was issued', extendedTo(noon + 2 * day), hour, noon + day],
    ['at most the expiration, where that is longer', extendedTo(noon + 9 * day), 2 * day, noon + 2 * day],
    ['an extension into the past shortens', extendedTo(noon - 5), hour, end - 5],
  ]
  for (const [name, given, expirationMs, expected] of ends) {
    test(name, () => assert.equal(expiryOf(given, { ...rules, expirationMs }), expected))
  }
})

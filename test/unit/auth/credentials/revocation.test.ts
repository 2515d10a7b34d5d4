import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createAdministration } from '../../../../src/auth/credentials/administer.ts'
import {
  decide,
  decideDenial,
  decideIdle,
  decideRevocation,
  timeOfRevocation,
} from '../../../../src/auth/credentials/lifecycle.ts'
import {
  isLocked,
  type ManagedState,
  readEndOfAccess,
  readManagedState,
  type StoredUser,
} from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import { createSharedCache } from '../../../../src/auth/credentials/shared-cache.ts'
import { decodeEntry, encodeEntry } from '../../../../src/auth/credentials/shared-entry.ts'
import { noSharedStates, type SharedStates } from '../../../../src/auth/credentials/shared-states.ts'
import type { GatewayError } from '../../../../src/http/errors.ts'
import type { FakeClock } from '../../../support/fake-clock.ts'
import { createMemoryUser, type MemoryDirectory } from '../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import fc from '../../../support/property.ts'
import {
  createReplica,
  createTestBed,
  hour,
  key,
  minute,
  noon,
  otherKey,
  pause,
  rules,
  runPendingTasks,
  subject,
} from './fixture.ts'

const keys = { currentId: 'new-key', knows: (id: string) => ['new-key', 'old-key'].includes(id) }
const bob = subject()
const before = subject({ authenticatedAt: noon - 1 })
const after = subject({ authenticatedAt: noon })
const state: ManagedState = {
  ...{ created: '2026-11-01', version: 7, key_id: 'new-key', issued_at: noon },
  fingerprint: bob.fingerprint,
}
const revoked = { ...state, not_before: noon }

function user(elastauth: unknown, more: Partial<StoredUser> = {}): StoredUser {
  return { reserved: false, enabled: true, roles: ['reader'], metadata: { groups: ['staff'], elastauth }, ...more }
}

function decideFor(stored: StoredUser, who: typeof bob, more: Partial<Parameters<typeof decide>[0]> = {}) {
  return decide({ stored, subject: who, now: noon, keys, rules, ...more })
}

describe('decide rejects sign-ins from before a revocation', () => {
  const rejected = { kind: 'reject', code: 'revoked' }
  const rows: [situation: string, stored: StoredUser, who: typeof bob, decision: unknown][] = [
    ['a sign-in from before the revocation is rejected', user(revoked), before, rejected],
    ['a sign-in of the same millisecond is accepted', user(revoked), after, { kind: 'adopt', state: revoked }],
    ['an identity without a time of sign-in is accepted', user(revoked), bob, { kind: 'adopt', state: revoked }],
    ['a sign-in is accepted if the user was never revoked', user(state), before, { kind: 'adopt', state }],
    [
      'a disabled user is rejected as disabled, even if the sign-in is revoked',
      user(revoked, { enabled: false }),
      before,
      { kind: 'reject', code: 'user_disabled' },
    ],
    [
      'a revoked sign-in is rejected although the key is unknown',
      user({ ...revoked, key_id: 'lost' }),
      before,
      rejected,
    ],
    ['a revoked sign-in is rejected although the state is malformed', user({ not_before: noon }), before, rejected],
    ['a malformed time of revocation rejects every sign-in', user({ ...state, not_before: '2026' }), after, rejected],
    ['a negative time of revocation rejects every sign-in', user({ ...state, not_before: -1 }), after, rejected],
    ['a time of revocation that is null rejects every sign-in', user({ ...state, not_before: null }), after, rejected],
    [
      'a time of revocation in the future rejects every sign-in',
      user({ ...state, not_before: 1e300 }),
      after,
      rejected,
    ],
    [
      'a malformed time of revocation does not reject an identity without a time of sign-in',
      user({ ...state, not_before: {} }),
      bob,
      { kind: 'adopt', state: { ...state, not_before: Number.MAX_SAFE_INTEGER } },
    ],
  ]
  for (const [situation, stored, who, decision] of rows)
    test(situation, () => assert.deepEqual(decideFor(stored, who), decision))

  test('a revoked sign-in gets no new password after Elasticsearch rejected its former one', () => {
    assert.deepEqual(decideFor(user(revoked), before, { rejected: revoked }), rejected)
  })
})

test('access ends with a revocation, and for a disabled or deleted user, and only a mark of user_retention unlocks a disabled user', () => {
  const marked = { ...revoked, disabled_idle: revoked.version }
  const off = { enabled: false }
  assert.deepEqual([user(state), user(revoked), user(revoked, off), undefined].map(readEndOfAccess), [
    0,
    noon,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ])
  assert.deepEqual(
    [user(state), user(marked), user(state, off), user(marked, off), user('malformed', off)].map(isLocked),
    [false, false, true, false, true],
  )
})

describe('every write keeps the time of the revocation', () => {
  const kept = (decision: Readonly<{ kind: string }>) =>
    'state' in decision ? (decision.state as ManagedState).not_before : decision
  const writes: [write: string, decision: () => Readonly<{ kind: string }>][] = [
    ['a rotation', () => decideFor(user(revoked), after, { now: noon + hour + pause })],
    ['a change of groups', () => decideFor(user({ ...revoked, fingerprint: 'other' }), after)],
    [
      'an extension',
      () => decideFor(user(revoked), after, { now: noon + hour / 2 + 1, rules: { ...rules, extend: true } }),
    ],
    ['a replacement of a rejected password', () => decideFor(user(revoked), after, { rejected: revoked })],
    ['a takeover from an unknown key', () => decideFor(user({ ...revoked, key_id: 'lost' }), after)],
    [
      'a takeover of a user with a malformed state',
      () => decideFor(user({ not_before: noon }), after, { rules: { ...rules, adoptExisting: true } }),
    ],
    ['a new series of versions', () => decideFor(user({ ...revoked, version: 0 }), after)],
    ['a state with a malformed time of extension', () => decideFor(user({ ...revoked, extended_at: -1 }), after)],
    [
      'a denial',
      () => decideDenial({ stored: user(revoked), subject: bob, deniedAt: noon + hour, now: noon + hour, keys, rules }),
    ],
    [
      'the end of an idle password',
      () => ({
        kind: 'idle',
        state: decideIdle({ stored: user(revoked), from: 0, until: noon + 2 * hour, keys, rules }),
      }),
    ],
  ]
  for (const [write, decision] of writes)
    test(`${write} keeps the time of the revocation`, () => assert.equal(kept(decision()), noon))

  test('no decision loses the time of the revocation, or hands out a password to a sign-in from before it', () => {
    const situation = fc.record({
      notBefore: fc.oneof(
        fc.integer({ min: noon - 2 * hour, max: noon + hour }),
        fc.constantFrom(0, -1, 'x', null, 1e300),
      ),
      signedInAt: fc.integer({ min: noon - 3 * hour, max: noon + hour }),
      issuedAgo: fc.integer({ min: -hour, max: 3 * hour }),
      extended: fc.boolean(),
      version: fc.constantFrom(1, 7, 0, Number.MAX_SAFE_INTEGER),
      key_id: fc.constantFrom('new-key', 'old-key', 'lost'),
      fingerprint: fc.constantFrom(bob.fingerprint, 'other'),
      isRejected: fc.boolean(),
      extend: fc.boolean(),
    })
    fc.assert(
      fc.property(situation, ({ notBefore, signedInAt, issuedAgo, extended, isRejected, extend, ...rest }) => {
        const issued_at = noon - issuedAgo
        const elastauth = {
          created: '2026-11-01',
          ...rest,
          issued_at,
          not_before: notBefore,
          ...(extended && { extended_at: issued_at + minute }),
        }
        const stored = user(elastauth)
        const read = readManagedState(stored.metadata)!
        const who = subject({ authenticatedAt: signedInAt })
        const decision = decideFor(stored, who, {
          rejected: isRejected ? read : undefined,
          rules: { ...rules, extend },
        })
        const isBefore = typeof notBefore !== 'number' || notBefore < 0 || notBefore > 2 ** 53 || signedInAt < notBefore
        if (isBefore) return assert.deepEqual(decision, { kind: 'reject', code: 'revoked' })
        if ('state' in decision) assert.equal(decision.state.not_before, notBefore)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('decideRevocation', () => {
  const decideOn = (stored: StoredUser, disable = false) =>
    decideRevocation({ stored, notBefore: noon + 5, disable, now: noon + 6, keys, rules })
  const next = { ...state, version: 8, not_before: noon + 5 }

  test('a revocation writes the next password and keeps the time of the last use', () => {
    const extended = { ...state, extended_at: noon + 1 }
    assert.deepEqual(decideOn(user(state)), { kind: 'write', reason: 'revoked', state: next })
    assert.deepEqual(decideOn(user(extended)), {
      kind: 'write',
      reason: 'revoked',
      state: { ...next, extended_at: noon + 1 },
    })
  })

  test('a revocation with disable writes the user as disabled, and one without keeps a disabled user disabled', () => {
    assert.deepEqual(decideOn(user(state), true), { kind: 'write', reason: 'revoked', state: next, enabled: false })
    const disabled = user(state, { enabled: false })
    assert.deepEqual(decideOn(disabled), { kind: 'write', reason: 'revoked', state: next, enabled: false })
  })

  test('a revocation leaves a user whom user_retention disabled to the next sign-in, unless it disables the user', () => {
    const idle = user({ ...state, disabled_idle: 7 }, { enabled: false })
    const write = { kind: 'write', reason: 'revoked', state: next, enabled: false }
    assert.deepEqual(decideOn(idle), { ...write, hasRetentionMark: true })
    assert.deepEqual(decideOn(idle, true), write)
  })

  test('a revocation is done once the user has its time or a later one, and is disabled if that was requested', () => {
    for (const not_before of [noon + 5, noon + 6]) {
      assert.equal(decideOn(user({ ...state, not_before })), undefined)
      assert.equal(decideOn(user({ ...state, not_before }), true)?.kind, 'write')
      assert.equal(decideOn(user({ ...state, not_before }, { enabled: false }), true), undefined)
    }
  })

  test('a revocation with disable is not done while the user has the mark of user_retention, with which a sign-in enables the user', () => {
    for (const not_before of [noon + 5, noon + 6]) {
      const idle = user({ ...state, not_before, disabled_idle: 7 }, { enabled: false })
      assert.deepEqual(decideOn(idle, true), { kind: 'write', reason: 'revoked', state: next, enabled: false })
      assert.equal(decideOn(idle), undefined)
    }
  })

  test('a revocation replaces an earlier, a malformed and a future time of revocation', () => {
    for (const not_before of [noon, -1, 'x', noon + hour])
      assert.deepEqual(decideOn(user({ ...state, not_before })), { kind: 'write', reason: 'revoked', state: next })
  })
})

test('a revocation from a machine whose clock is behind is later than the last use and the last revocation', () => {
  const now = noon - minute
  for (const times of [{ issued_at: noon }, { extended_at: noon }, { not_before: noon }]) {
    const former = { ...state, issued_at: now - minute, ...times }
    const notBefore = timeOfRevocation(former, now)
    assert.equal(notBefore, noon + 1)
    const decideOn = (stored: StoredUser) => decideRevocation({ stored, notBefore, disable: false, now, keys, rules })
    const written = decideOn(user(former)) as Extract<ReturnType<typeof decideOn>, { kind: 'write' }>
    assert.equal(written.state.not_before, noon + 1)
    assert.equal(decideOn(user(written.state)), undefined, 'the revocation is stable')
  }
  const implausible = {
    ...state,
    issued_at: noon + hour,
    extended_at: noon + hour,
    not_before: Number.MAX_SAFE_INTEGER,
  }
  assert.equal(timeOfRevocation(implausible, now), now)
})

describe('the shared entry of a revoked user', () => {
  test('a shared entry contains the time of the revocation, and an entry of an earlier release is not used', () => {
    const keyring = createKeyring([key])
    const own = { ...revoked, key_id: keyring.currentId }
    assert.deepEqual(decodeEntry('bob', encodeEntry('bob', own, 'nonce', keyring), keyring), own)
    const { not_before: _, ...former } = own
    const fields = [
      former.created,
      former.version,
      former.key_id,
      former.issued_at,
      '-',
      former.fingerprint,
      'nonce',
    ].join(' ')
    assert.equal(
      decodeEntry('bob', `${fields} ${keyring.seal(keyring.currentId, `bob\0${fields}`)}`, keyring),
      undefined,
    )
  })
})

/** Revokes bob while virtual time passes. */
async function revokeBob(
  clock: FakeClock,
  directory: MemoryDirectory,
  {
    disable = false,
    states = noSharedStates,
    keys: secrets = [key] as [string, ...string[]],
    clockOffsetMs = 0,
  }: { disable?: boolean; states?: SharedStates; keys?: [string, ...string[]]; clockOffsetMs?: number } = {},
) {
  const keyring = createKeyring(secrets)
  const { revoke } = createAdministration({
    directory,
    keys: keyring,
    preparePassword: createPasswordWriter({ keys: keyring, sendsHash: () => false }),
    states,
    rules,
    now: () => clock.now() + clockOffsetMs,
    sleep: clock.sleep,
    report: () => {},
  })
  const result = revoke('bob', disable)
  result.catch(() => {})
  await clock.advance(30 * 1000)
  return result
}

const isRevokedError = (error: GatewayError) => error.code === 'revoked'

test('a second revocation by a machine whose clock is behind does not let a token in that the first one revoked', async () => {
  const { clock, directory, obtain } = createTestBed()
  await obtain(subject({ authenticatedAt: noon }))
  await clock.advance(minute)
  await revokeBob(clock, directory)
  await revokeBob(clock, directory, { clockOffsetMs: -2 * minute })
  const other = createReplica(directory, clock) // without a cached credential
  await assert.rejects(async () => other.obtain(subject({ authenticatedAt: noon })), isRevokedError)
})

describe('obtain after a revocation', () => {
  test('a former sign-in gets no credential, and a new one gets a working one', async () => {
    const { clock, directory, obtain } = createTestBed()
    const former = await obtain(before)
    const { isStable } = await revokeBob(clock, directory)
    assert.ok(isStable)
    assert.ok(!directory.accepts(former))
    await clock.advance(minute)
    await obtain(before) // the check that this request starts notices the revocation
    await runPendingTasks(clock)
    await assert.rejects(obtain(before), isRevokedError)
    const current = await obtain(subject({ authenticatedAt: clock.now() }))
    assert.ok(directory.accepts(current))
    await assert.rejects(obtain(before), isRevokedError)
    assert.equal(directory.written.length, 2)
  })

  test('a former sign-in is rejected without a call to Elasticsearch once a newer credential is cached', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    await revokeBob(clock, directory)
    await createReplicaRequest()
    async function createReplicaRequest() {
      const replica = createReplica(directory, clock)
      await replica.obtain(subject({ authenticatedAt: clock.now() }))
      const { get } = directory.calls
      for (let i = 0; i < 10; i++) await assert.rejects(replica.obtain(before), isRevokedError)
      assert.equal(directory.calls.get, get)
    }
  })

  test('concurrent requests of a former and a new sign-in do not share their results', async () => {
    const { clock, directory } = createTestBed()
    await createReplica(directory, clock).obtain(before)
    await revokeBob(clock, directory)
    for (const maxEntries of [100, 0]) {
      const replica = createReplica(directory, clock, { maxEntries })
      const now = subject({ authenticatedAt: clock.now() })
      const results = await Promise.allSettled([before, now, before, now].map(replica.obtain))
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
      )
    }
  })

  test('reissue gives a former sign-in neither a new password nor the one that was reissued for a new sign-in', async () => {
    const { clock, directory, obtainNow, reissue, writes } = createTestBed()
    const former = await obtainNow(before)
    await revokeBob(clock, directory)
    assert.equal(await reissue(before, former), undefined)
    const current = await obtainNow(subject({ authenticatedAt: clock.now() }))
    directory.users.set('bob', { ...directory.users.get('bob')!, password: 'changed by bob' })
    await clock.advance(minute)
    const [forNew, forFormer] = await Promise.all([
      reissue(subject({ authenticatedAt: clock.now() }), current),
      reissue(before, current),
    ])
    assert.ok(forNew && directory.accepts(forNew.authorization))
    assert.equal(forFormer, undefined)
    assert.deepEqual(writes(), ['created', 'healed'])
  })

  test('a time of revocation that appears without a new password ends former sign-ins at the next check', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    const stored = directory.users.get('bob')!
    const elastauth = { ...(stored.metadata.elastauth as object), not_before: noon }
    directory.users.set('bob', { ...stored, metadata: { ...stored.metadata, elastauth } })
    await clock.advance(minute)
    await obtain(before) // starts the check
    await runPendingTasks(clock)
    await assert.rejects(obtain(before), isRevokedError)
  })

  for (const [what, disable] of [
    ['revoked', false],
    ['disabled', true],
  ] as const)
    test(`a rejected credential of a ${what} user is not replaced, without a failure in the log, and open WebSockets are checked`, async () => {
      const { clock, directory, obtainNow, reissue, accessEnded, cache, revalidationFailures } = createTestBed()
      const who = disable ? bob : before // identity headers have no time of sign-in
      const former = await obtainNow(who)
      await revokeBob(clock, directory, { disable })
      assert.equal(await reissue(who, former), undefined)
      assert.deepEqual([accessEnded, revalidationFailures(), cache.get('bob')], [['bob'], 0, undefined])
      await assert.rejects(async () => obtainNow(who), { code: disable ? 'user_disabled' : 'revoked' })
      assert.deepEqual(accessEnded, ['bob', 'bob'])
    })

  test('other replicas reject a former sign-in at once if they share Redis', async () => {
    const { clock, directory } = createTestBed()
    const store = createMemorySharedStore(clock.now)
    const keyring = createKeyring([key])
    const states = createSharedCache({
      store,
      keys: keyring,
      rules,
      lockTtlMs: 5000,
      now: clock.now,
      monotonicNow: clock.monotonicNow,
      sleep: clock.sleep,
    })
    const replicas = Array.from({ length: 3 }, () => createReplica(directory, clock, { states }))
    for (const replica of replicas) {
      store.onChange(replica.noteChange)
      await replica.obtain(before)
    }
    await revokeBob(clock, directory, { states })
    for (const replica of replicas) {
      await assert.rejects(replica.obtain(before), isRevokedError)
      assert.ok(directory.accepts(await replica.obtain(subject({ authenticatedAt: clock.now() }))))
    }
    await revokeBob(clock, directory, { states, disable: true })
    for (const replica of replicas)
      await assert.rejects(replica.obtain(subject({ authenticatedAt: clock.now() })), { code: 'user_disabled' })
  })

  test('a time of revocation in the future names the fix and when to try again', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    const stored = directory.users.get('bob')!
    const elastauth = { ...(stored.metadata.elastauth as ManagedState), not_before: noon + 2000 }
    directory.users.set('bob', { ...stored, metadata: { ...stored.metadata, elastauth } })
    await assert.rejects(createReplica(directory, clock).obtain(after), (error: GatewayError) => {
      assert.match(error.detail, /not_before.*in the future.*elastauth users revoke/)
      return error.retryAfterSeconds === 2 && error.username === 'bob'
    })
  })
})

describe('revoke', () => {
  test('revoke keeps roles, groups, name, email address and foreign metadata', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(subject({ name: 'Bob', email: 'bob@example.com' }))
    const stored = directory.users.get('bob')!
    directory.users.set('bob', { ...stored, metadata: { ...stored.metadata, department: 7 } })
    const { former, current } = await revokeBob(clock, directory, { disable: true })
    const { password: _, metadata, ...user } = directory.users.get('bob')!
    assert.deepEqual(user, {
      roles: ['reader'],
      full_name: 'Bob',
      email: 'bob@example.com',
      enabled: false,
      reserved: false,
    })
    assert.deepEqual({ ...metadata, elastauth: 0 }, { groups: ['staff'], department: 7, elastauth: 0 })
    assert.deepEqual([former.version, current.version, current.not_before], [1, 2, noon])
    assert.deepEqual(metadata.elastauth, current)
  })

  test('revoke writes again if a write of a replica undoes it, and gives up if that does not end', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    const stale = directory.users.get('bob')!
    let undone = 0
    let times = 1
    directory.hooks.after = (operation) => {
      if (operation === 'put' && undone < times) {
        undone++
        directory.users.set('bob', stale)
      }
    }
    assert.equal((await revokeBob(clock, directory, { disable: true })).isStable, true)
    assert.equal(directory.users.get('bob')!.enabled, false)
    directory.users.set('bob', stale)
    undone = 0
    times = 100
    assert.equal((await revokeBob(clock, directory, { disable: true })).isStable, false)
    assert.equal(undone, 5)
  })

  test('revoke repeats its write if one that a replica began before arrives within the rotation pause and a second after it', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    const stale = directory.users.get('bob')!
    let isUndone = false
    directory.hooks.after = (operation) => {
      if (operation !== 'put' || isUndone) return
      isUndone = true
      void clock.sleep(pause + 900).then(() => directory.users.set('bob', stale))
    }
    const { isStable } = await revokeBob(clock, directory, { disable: true })
    assert.deepEqual([isStable, directory.users.get('bob')!.enabled, directory.written.length], [true, false, 3])
  })

  test('revoke leaves a user whom something else takes over just before the write', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(before)
    let reads = 0
    directory.hooks.before = (operation) => {
      // The first two reads decide; the third is the one just before the write.
      if (operation === 'get' && ++reads === 3) directory.users.set('bob', createMemoryUser())
    }
    await assert.rejects(revokeBob(clock, directory), { code: 'user_foreign' })
    assert.deepEqual([reads, directory.written.length], [3, 1])
  })

  test('revoke writes no absent, reserved or foreign user, and none under an unknown key', async () => {
    const { clock, directory, obtain } = createTestBed()
    await assert.rejects(revokeBob(clock, directory), { code: 'not_found' })
    await obtain(before)
    const managed = directory.users.get('bob')!
    await assert.rejects(revokeBob(clock, directory, { keys: [otherKey] }), (error: GatewayError) => {
      assert.match(error.detail, /secret_key of the running replicas/)
      return error.code === 'key_conflict'
    })
    directory.users.set('bob', { ...managed, reserved: true })
    await assert.rejects(revokeBob(clock, directory), { code: 'user_foreign' })
    directory.users.set('bob', createMemoryUser())
    await assert.rejects(revokeBob(clock, directory), { code: 'user_foreign' })
    assert.equal(directory.written.length, 1)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Decision,
  type DecisionInput,
  decide,
  expiryOf,
  isSameSet,
  type LifecycleRules,
} from '../../../../src/auth/credentials/lifecycle.ts'
import {
  isSamePassword,
  type ManagedState,
  readChangedAt,
  readGroups,
  readManagedState,
  type StoredUser,
} from '../../../../src/auth/credentials/managed-user.ts'
import { accessOf } from '../../../../src/auth/subject.ts'
import { extremeDocument, extremeValue } from '../../../support/extreme-values.ts'
import fc from '../../../support/property.ts'

const hour = 60 * 60 * 1000
const noon = Date.UTC(2026, 10, 23, 12)
const keys = { currentId: 'key-1', knows: (id: string) => id === 'key-1' || id === 'key-2' }

const rulesOf = fc.record<LifecycleRules>({
  expirationMs: fc.integer({ min: 10_000, max: 50 * hour }),
  rotationPauseMs: fc.integer({ min: 0, max: 5000 }),
  extend: fc.boolean(),
  adoptExisting: fc.boolean(),
  rekey: fc.constantFrom('allow', 'never'),
  changeIntervalMs: fc.constant(5000),
})

/** Distances from now: near every boundary, and anywhere. */
const offset = fc.oneof(fc.integer({ min: -8000, max: 8000 }), fc.integer({ min: -60 * hour, max: 20 * hour }))

const situation: fc.Arbitrary<DecisionInput> = rulesOf.chain((rules) =>
  fc
    .record({
      now: fc.oneof(fc.constant(noon), fc.integer({ min: noon + 12 * hour - 12_000, max: noon + 12 * hour + 12_000 })),
      age: offset,
      nearEnd: fc.boolean(),
      version: fc.integer({ min: 1, max: 1e9 }),
      key_id: fc.constantFrom('key-1', 'key-2', 'lost'),
      fingerprint: fc.constantFrom('same', 'other'),
      extension: fc.option(offset, { nil: undefined }),
      roles: fc.constantFrom(['a', 'b'], ['b', 'a'], ['a'], []),
      kind: fc.constantFrom('ours', 'ours', 'ours', 'ours', 'foreign', 'absent', 'reserved', 'disabled'),
      rejected: fc.constantFrom('none', 'none', 'same', 'older'),
      changedAgo: fc.option(fc.integer({ min: -12_000, max: 12_000 }), { nil: undefined }),
      groups: fc.constantFrom(['g'], ['h'], undefined),
      authenticatedAt: fc.constant(Number.MAX_SAFE_INTEGER),
    })
    .map(({ now, age, nearEnd, extension, kind, rejected, roles, changedAgo, groups, authenticatedAt, ...rest }) => {
      const issued_at = now + age - (nearEnd ? rules.expirationMs : 0)
      const state: ManagedState = {
        created: '2026-11-01',
        ...rest,
        issued_at,
        ...(extension !== undefined && { extended_at: issued_at + Math.abs(extension) }),
      }
      const stored: StoredUser | undefined =
        kind === 'absent'
          ? undefined
          : {
              reserved: kind === 'reserved',
              enabled: kind !== 'disabled',
              roles,
              metadata:
                kind === 'foreign'
                  ? {}
                  : {
                      groups,
                      elastauth: { ...state, ...(changedAgo !== undefined && { changed_at: now - changedAgo }) },
                    },
            }
      return {
        stored,
        subject: { roles: ['a', 'b'], fingerprint: 'same', access: accessOf(['a', 'b'], ['g']), authenticatedAt },
        now,
        keys,
        rules,
        rejected: { none: undefined, same: state, older: { ...state, version: state.version + 1 } }[rejected],
      }
    }),
)

const stateBefore = ({ stored }: DecisionInput) => stored && readManagedState(stored.metadata)
const handedOut = (decision: Decision) => ('state' in decision ? decision.state : undefined)
const check = (property: (situation: DecisionInput) => void) =>
  fc.assert(fc.property(situation, property), { numRuns: 2000 })

test('decide is pure: equal inputs get equal decisions, and are not modified', () => {
  check((given) => {
    const before = structuredClone({ ...given, keys: undefined })
    assert.deepEqual(decide(given), decide(given))
    assert.deepEqual(structuredClone({ ...given, keys: undefined }), before)
  })
})

test('two replicas that read the same user never write different passwords while their clocks agree within the rotation pause', () => {
  const twoReplicas = situation.chain((given) =>
    fc.integer({ min: 0, max: given.rules.rotationPauseMs }).map((skew) => [given, skew] as const),
  )
  fc.assert(
    fc.property(twoReplicas, ([given, skew]) => {
      const mine = decide(given)
      const theirs = decide({ ...given, now: given.now + skew })
      if (mine.kind !== 'write' || theirs.kind !== 'write') return
      assert.ok(isSamePassword(mine.state, theirs.state), JSON.stringify([mine, theirs]))
    }),
    { numRuns: 5000 },
  )
})

test('a password that one replica hands out is not rotated by another whose clock agrees within the rotation pause', () => {
  const twoReplicas = situation.chain((given) =>
    fc.integer({ min: 0, max: given.rules.rotationPauseMs }).map((skew) => [given, skew] as const),
  )
  fc.assert(
    fc.property(twoReplicas, ([given, skew]) => {
      const mine = decide(given)
      const theirs = decide({ ...given, now: given.now + skew })
      if (mine.kind !== 'adopt') return
      assert.ok(theirs.kind !== 'write' || theirs.reason !== 'rotated', JSON.stringify([mine, theirs]))
    }),
    { numRuns: 5000 },
  )
})

test('a decision keeps the day of creation, and keeps the version or increments it', () => {
  check((given) => {
    const before = stateBefore(given)
    const after = handedOut(decide(given))
    if (before === undefined || after === undefined) return
    assert.ok(after.version === before.version || after.version === before.version + 1)
    assert.equal(after.created, before.created)
  })
})

test('changed and extended writes keep the password and its issued_at', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'write' || !['changed', 'extended'].includes(decision.reason)) return
    const before = stateBefore(given)!
    assert.ok(isSamePassword(before, decision.state))
    assert.equal(decision.state.issued_at, before.issued_at)
  })
})

test('every write other than changed and extended issues a new password', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'write' || ['changed', 'extended'].includes(decision.reason)) return
    const before = stateBefore(given)
    assert.ok(before === undefined || !isSamePassword(before, decision.state))
  })
})

test('no password is handed out at or after its expiry', () => {
  check((given) => {
    const state = handedOut(decide(given))
    if (state) assert.ok(given.now < expiryOf(state, given.rules))
  })
})

test('no password lives longer than its expiration or a day, whichever is longer', () => {
  check((given) => {
    const state = handedOut(decide(given))
    if (state)
      assert.ok(expiryOf(state, given.rules) <= state.issued_at + Math.max(given.rules.expirationMs, 24 * hour))
  })
})

test('a wait ends in the future, within two rotation pauses or change intervals', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'wait') return
    assert.ok(decision.until > given.now)
    const { rotationPauseMs, changeIntervalMs } = given.rules
    assert.ok(decision.until <= given.now + 2 * Math.max(rotationPauseMs, changeIntervalMs))
  })
})

test('a change is never written within the change interval of the previous change', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'write' || decision.reason !== 'changed') return
    const changedAt = readChangedAt(given.stored!.metadata)
    const { changeIntervalMs } = given.rules
    const isTooSoon = changedAt !== undefined && Math.abs(given.now - changedAt) < changeIntervalMs
    assert.ok(!isTooSoon, JSON.stringify(given))
  })
})

test('unchanged roles and groups never cause a changed write, whatever the name and the email are', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'write' || decision.reason !== 'changed') return
    const { roles, metadata } = given.stored!
    assert.ok(!isSameSet(roles, given.subject.roles) || readGroups(metadata)?.[0] !== 'g')
  })
})

test('no decision hands out a rejected password or a password of an unknown key', () => {
  check((given) => {
    const state = handedOut(decide(given))
    if (state === undefined) return
    assert.ok(
      !given.rejected ||
        !stateBefore(given) ||
        !isSamePassword(state, given.rejected) ||
        state.version > stateBefore(given)!.version,
    )
    assert.ok(keys.knows(state.key_id))
  })
})

test('a written state is adopted by the next decision, unchanged', () => {
  check((given) => {
    const decision = decide(given)
    if (decision.kind !== 'write') return
    const stored = {
      reserved: false,
      enabled: true,
      roles: given.subject.roles,
      metadata: { elastauth: JSON.parse(JSON.stringify(decision.state)) },
    }
    const again = decide({ ...given, stored, rejected: undefined, rules: { ...given.rules, extend: false } })
    assert.deepEqual(again, { kind: 'adopt', state: decision.state })
  })
})

test('reserved and disabled users are always rejected', () => {
  check((given) => {
    if (!given.stored || (!given.stored.reserved && given.stored.enabled)) return
    assert.equal(decide(given).kind, 'reject')
  })
})

test('every value of metadata.elastauth leads to a decision, and a written state is adopted afterwards', () => {
  const state = { created: '2026-11-23', version: 7, key_id: 'key-1', issued_at: noon, fingerprint: 'same' }
  const odd = extremeDocument([...Object.keys(state), 'extended_at', 'changed_at', '__proto__'])
  const elastauth = fc.oneof(
    odd.map((fields) => ({ ...state, ...fields })),
    extremeValue,
  )
  const rules = {
    expirationMs: hour,
    rotationPauseMs: 1000,
    extend: false,
    rekey: 'allow',
    changeIntervalMs: 5000,
  } as const
  const subject = {
    roles: ['a'],
    fingerprint: 'same',
    access: accessOf(['a'], []),
    authenticatedAt: Number.MAX_SAFE_INTEGER,
  }
  fc.assert(
    fc.property(elastauth, fc.boolean(), (given, adoptExisting) => {
      const look = (metadata: Readonly<Record<string, unknown>>, now: number) => {
        const stored = { reserved: false, enabled: true, roles: ['a'], metadata }
        return decide({ stored, subject, now, keys, rules: { ...rules, adoptExisting } })
      }
      const decision = look({ elastauth: given }, noon)
      const isForeign = decision.kind === 'reject' && decision.code === 'user_foreign'
      if (isForeign) return assert.ok(!adoptExisting)
      assert.ok(decision.kind === 'write' || decision.kind === 'adopt', JSON.stringify(decision))
      const written = JSON.parse(JSON.stringify({ elastauth: decision.state }))
      assert.deepEqual(look(written, noon), { kind: 'adopt', state: decision.state })
      // And it can be rotated, again and again.
      let { state: latest } = decision
      for (const time of [1, 2, 3].map((i) => noon + i * 2 * hour)) {
        const rotation = look(JSON.parse(JSON.stringify({ elastauth: latest })), time)
        assert.ok(rotation.kind === 'write', JSON.stringify([latest, rotation]))
        assert.ok(!isSamePassword(rotation.state, latest))
        latest = rotation.state
      }
    }),
    { numRuns: 2000 },
  )
})

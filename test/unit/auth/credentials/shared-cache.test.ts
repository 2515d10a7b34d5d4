import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createSharedCache } from '../../../../src/auth/credentials/shared-cache.ts'
import { decodeEntry, encodeEntry, encodeState } from '../../../../src/auth/credentials/shared-entry.ts'
import { noSharedStates, type SharedStates } from '../../../../src/auth/credentials/shared-states.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { createMemoryDirectory, createMemoryUser } from '../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import {
  createReplica,
  rules as defaultRules,
  hour,
  key,
  noon,
  otherKey,
  pause,
  runPendingTasks,
  subject,
} from './fixture.ts'

const bob = subject()
const bobPromoted = subject({ groups: ['staff', 'admins'] }, ['admin', 'reader'])
const keys = createKeyring([key])
const state: ManagedState = {
  created: '2026-11-23',
  version: 7,
  key_id: keys.currentId,
  issued_at: noon,
  fingerprint: bob.fingerprint,
}

/** Replicas that share a store and are notified of its changes at once. */
function createShared(extend = false) {
  const clock = createFakeClock(noon)
  const directory = createMemoryDirectory()
  const store = createMemorySharedStore(clock.now)
  const rules = { ...defaultRules, extend }
  const addReplica = () => {
    const states = createSharedCache({
      store,
      keys,
      rules,
      lockTtlMs: 30_000,
      now: clock.now,
      monotonicNow: clock.monotonicNow,
      sleep: clock.sleep,
    })
    const replica = createReplica(directory, clock, { states, rules })
    store.onChange(replica.noteChange)
    return replica
  }
  const shared = () => decodeEntry('bob', store.values().get('bob') ?? '', keys)
  return { clock, directory, store, a: addReplica(), b: addReplica(), shared }
}

describe('an entry of the shared cache', () => {
  test('a shared-cache entry decodes to the encoded state', () => {
    for (const original of [state, { ...state, extended_at: noon + 5 }]) {
      assert.deepEqual(decodeEntry('bob', encodeEntry('bob', original, 'nonce', keys), keys), original)
    }
  })

  test('a shared-cache entry that was modified, belongs to another user, or has an unknown key is invalid', () => {
    const entry = encodeEntry('bob', state, 'nonce', keys)
    for (let i = 0; i < entry.length; i++) {
      const changed = `${entry.slice(0, i)}${entry[i] === 'A' ? 'B' : 'A'}${entry.slice(i + 1)}`
      assert.equal(decodeEntry('bob', changed, keys), undefined, changed)
    }
    assert.equal(decodeEntry('alice', entry, keys), undefined)
    assert.equal(decodeEntry('bob', entry, createKeyring([otherKey])), undefined)
    assert.deepEqual(decodeEntry('bob', entry, createKeyring([otherKey, key])), state)
    for (const invalid of ['', ' ', '{}', '!', '?a.', `${entry} `, ` ${entry}`, entry.slice(0, -1)]) {
      assert.equal(decodeEntry('bob', invalid, keys), undefined)
    }
  })

  test('a shared-cache entry contains no secret and fewer than 130 characters', () => {
    const entry = encodeEntry('bob', { ...state, extended_at: noon }, 'nonce678', keys)
    assert.ok(!entry.includes(keys.password(state.key_id, 'bob', state.created, state.version)))
    assert.ok(!entry.includes(key))
    assert.ok(entry.length < 130, String(entry.length))
  })

  test('the seal of a shared-cache entry and a password differ in length', () => {
    assert.notEqual(keys.seal(keys.currentId, 'x').length, keys.password(keys.currentId, 'x', 'y', 1).length)
  })
})

describe('two replicas with a shared cache', () => {
  test('a user whom another replica has shared costs one read of Redis and no call to Elasticsearch', async () => {
    const { a, b, directory, store } = createShared()
    const first = await a.obtain(bob)
    const [calls, steps] = [{ ...directory.calls }, { ...store.calls }]
    assert.equal(await b.obtain(bob), first)
    assert.deepEqual(directory.calls, calls)
    assert.deepEqual(store.calls, { ...steps, get: steps.get + 1 })
  })

  test('a cached credential is returned synchronously, without a call to Redis or Elasticsearch', async () => {
    const { a, store, directory } = createShared()
    await a.obtain(bob)
    const [calls, steps] = [{ ...directory.calls }, { ...store.calls }]
    for (let i = 0; i < 100; i++) assert.ok(!(a.obtainNow(bob) instanceof Promise))
    assert.deepEqual([directory.calls, store.calls], [calls, steps])
  })

  test('concurrent first requests on two replicas cause one write', async () => {
    const { a, b, clock, directory } = createShared()
    directory.hooks.before = () => clock.sleep(10)
    const all = Promise.all([a.obtain(bob), b.obtain(bob)])
    await clock.advance(1000)
    assert.equal(new Set(await all).size, 1)
    assert.equal(directory.calls.put, 1)
  })

  test('concurrent requests on two replicas at a rotation cause one write', async () => {
    const { a, b, clock, directory } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    directory.hooks.before = () => clock.sleep(10)
    await clock.advance(hour)
    const all = Promise.all([a.obtain(bob), b.obtain(bob)])
    await clock.advance(pause + 1000)
    assert.equal(new Set(await all).size, 1)
    assert.deepEqual([...a.writes(), ...b.writes()].sort(), ['created', 'rotated'])
  })

  test('a lock that leads to no write is released at once, and no replica waits for it', async () => {
    const { a, b, clock, directory, store } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    let reads = 0
    directory.hooks.after = (operation) => {
      const user = directory.users.get('bob')!
      if (operation === 'get' && ++reads === 1) directory.users.set('bob', { ...user, enabled: false })
    }
    await assert.rejects(a.obtain(bobPromoted), { code: 'user_disabled' })
    await clock.advance(1)
    assert.equal(store.values().get('bob'), undefined)
    assert.equal(b.cache.get('bob'), undefined, 'the other replica was notified')
    directory.users.set('bob', { ...directory.users.get('bob')!, enabled: true })
    const { put } = directory.calls
    await b.obtain(bobPromoted) // with a stopped clock, it would wait for a lock forever
    assert.equal(directory.calls.put, put + 1)
  })

  test('groups that one replica has changed are used by the other without a call to Elasticsearch', async () => {
    const { a, b, directory, shared } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    await a.obtain(bobPromoted)
    assert.equal(b.cache.get('bob'), undefined, 'the former state is no longer cached')
    const calls = { ...directory.calls }
    await b.obtain(bobPromoted)
    assert.deepEqual(directory.calls, calls)
    assert.equal(shared()!.fingerprint, bobPromoted.fingerprint)
  })

  test('a change that is reported during an older read is not overwritten by that read', async () => {
    const { a, b, clock, directory } = createShared()
    await a.obtain(bob)
    const response = Promise.withResolvers<void>()
    const otherStore = createMemorySharedStore(clock.now)
    const isolated = createReplica(
      {
        ...directory,
        async get(name) {
          const user = await directory.get(name)
          await response.promise
          return user
        },
      },
      clock,
      {
        states: createSharedCache({
          store: otherStore,
          keys,
          rules: defaultRules,
          lockTtlMs: 1,
          now: clock.now,
          monotonicNow: clock.monotonicNow,
          sleep: clock.sleep,
        }),
      },
    )
    const late = isolated.obtain(bob)
    await runPendingTasks(clock)
    await b.obtain(bobPromoted)
    isolated.noteChange('bob', encodeState({ ...state, version: 1, fingerprint: bobPromoted.fingerprint }))
    response.resolve()
    await late
    assert.equal(isolated.cache.size(), 0)
  })

  test('version 1 of a recreated user replaces a later version in the shared cache', async () => {
    const { a, clock, directory, shared } = createShared()
    for (let version = 1; version <= 3; version++) {
      const done = a.obtain(bob)
      await clock.advance(hour + pause)
      await done
    }
    const done = a.obtain(bob)
    await clock.advance(hour / 2)
    await done
    assert.equal(shared()!.version, 4)
    directory.users.delete('bob')
    await a.obtain(bob)
    await runPendingTasks(clock)
    assert.equal(shared()!.version, 1)
    assert.ok(directory.accepts(await a.obtain(bob)))
  })

  test('a password that one replica has reissued is used by the other', async () => {
    const { a, b, clock, directory } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    directory.users.set('bob', { ...directory.users.get('bob')!, password: 'changed elsewhere' })
    await clock.advance(61_000)
    await a.obtain(bob)
    await runPendingTasks(clock)
    const reissued = await b.obtain(bob)
    assert.ok(directory.accepts(reissued))
    assert.deepEqual([...a.writes(), ...b.writes()], ['created', 'healed'])
  })

  test('a user whom a check has found disabled is no longer admitted because of the shared state', async () => {
    const { a, b, clock, directory, shared } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    directory.users.set('bob', { ...directory.users.get('bob')!, enabled: false })
    await clock.advance(61_000)
    await a.obtain(bob)
    await runPendingTasks(clock)
    assert.equal(shared(), undefined)
    for (const replica of [a, b]) await assert.rejects(replica.obtain(bob), /user_disabled/)
  })

  test('a state that a check has found outdated is not read from Redis again', async () => {
    const { a, clock, directory, shared } = createShared()
    await a.obtain(bob)
    const user = directory.users.get('bob')!
    directory.users.set('bob', { ...user, roles: ['added-elsewhere'] })
    await clock.advance(61_000)
    await a.obtain(bob)
    await runPendingTasks(clock)
    assert.equal(shared(), undefined)
    await a.obtain(bob)
    assert.deepEqual(directory.users.get('bob')!.roles, ['reader'])
  })

  test('a password that another replica issued a moment earlier expires at the stored time', async () => {
    const { a, clock, directory } = createShared()
    await a.obtain(bob)
    const user = directory.users.get('bob')!
    const elastauth = { ...(user.metadata.elastauth as ManagedState), issued_at: noon - 5000 }
    directory.users.set('bob', { ...user, metadata: { ...user.metadata, elastauth } })
    await clock.advance(61_000)
    await a.obtain(bob)
    await runPendingTasks(clock)
    await a.obtain(bob)
    assert.equal(a.cache.get('bob')!.state.issued_at, noon - 5000)
  })

  test('a user whose extension is due is read from Elasticsearch, not from Redis', async () => {
    const { a, b, clock, directory } = createShared(true)
    await a.obtain(bob)
    await clock.advance(hour * 0.6)
    await b.obtain(bob)
    assert.deepEqual(b.writes(), ['extended'])
    assert.ok(directory.users.has('bob'))
  })
})

describe('entries and locks that must not be trusted', () => {
  test('an expired shared-cache entry is a miss', async () => {
    const { a, directory, store } = createShared()
    store.put('bob', encodeEntry('bob', { ...state, issued_at: noon - hour }, 'n', keys))
    await a.obtain(bob)
    assert.equal(directory.calls.get, 1)
  })

  test('a shared-cache entry with other groups is a miss', async () => {
    const { a, directory, store } = createShared()
    store.put('bob', encodeEntry('bob', { ...state, fingerprint: 'other' }, 'n', keys))
    await a.obtain(bob)
    assert.equal(directory.calls.get, 1)
  })

  test('an abandoned lock is forced after two seconds, and the user is tainted', async () => {
    const { a, b, clock, store, directory } = createShared()
    store.put('bob', '!abandoned')
    const first = a.obtain(bob)
    await clock.advance(1900)
    assert.equal(directory.calls.put, 0)
    await clock.advance(500)
    assert.ok(directory.accepts(await first))
    assert.match(store.values().get('bob')!, /^\?.*\.$/)
    assert.equal(await b.obtain(bob), await first)
  })

  test('a lock is not forced after five changes by other replicas', async () => {
    const forced: boolean[] = []
    const lock: SharedStates['lock'] = async ({ force }) => (forced.push(force) < 5 ? 'changed' : async () => {})
    const states = { ...noSharedStates, lock }
    await createReplica(createMemoryDirectory(), createFakeClock(noon), { states }).obtain(bob)
    assert.deepEqual(forced, [false, false, false, false, false])
  })

  test('an abandoned lock is forced after two seconds even if each read of Redis takes 200 ms', async () => {
    const { a, clock, store, directory } = createShared()
    store.put('bob', '!abandoned')
    store.hooks.before = () => clock.sleep(200)
    const first = a.obtain(bob)
    await clock.advance(4000)
    assert.ok(directory.accepts(await first))
  })
})

describe('the shared cache while Redis fails', () => {
  const fail = () => {
    throw new Error('no Redis')
  }

  test('a Redis that fails at every step does not affect the credentials', async () => {
    const { a, b, store, directory } = createShared()
    store.hooks.before = fail
    const first = await a.obtain(bob)
    assert.equal(await b.obtain(bob), first)
    await a.obtain(bobPromoted)
    assert.ok(directory.accepts(first))
    assert.equal(directory.calls.put, 2)
  })

  test('a user whose entry could not be invalidated is tainted as soon as Redis is back', async () => {
    const { a, b, clock, store, shared } = createShared()
    for (const replica of [a, b]) await replica.obtain(bob)
    store.hooks.before = fail
    await a.obtain(bobPromoted)
    store.hooks.before = undefined
    assert.equal(shared()!.fingerprint, bob.fingerprint, 'the entry is outdated')
    await a.obtain(subject({ username: 'alice' }))
    await runPendingTasks(clock)
    assert.equal(shared(), undefined)
  })

  test('a pending invalidation makes the shared-cache entry a miss for the request that finds Redis available again', async () => {
    const { a, store, directory } = createShared()
    await a.obtain(bob)
    store.hooks.before = fail
    await a.obtain(bobPromoted)
    store.hooks.before = undefined
    a.cache.delete('bob')
    await a.obtain(bob)
    assert.deepEqual(directory.users.get('bob')!.roles, ['reader'])
  })

  test('lost Redis responses lock no user out', async () => {
    const { a, b, clock, store, directory } = createShared()
    store.hooks.after = fail
    const all = Promise.all([a.obtain(bob), b.obtain(bob)])
    await clock.advance(10_000)
    for (const credential of await all) assert.ok(directory.accepts(credential))
    assert.equal(directory.users.get('bob')!.roles[0], 'reader')
  })
})

test('a foreign user is rejected with a shared cache', async () => {
  const { a, directory } = createShared()
  directory.users.set('bob', createMemoryUser())
  await assert.rejects(a.obtain(bob), /user_foreign/)
})

test('revalidateAll spreads the checks over five seconds and makes no call itself', async () => {
  const { a, clock, directory } = createShared()
  for (let i = 0; i < 10; i++) await a.obtain(subject({ username: `user-${i}` }))
  a.revalidateAll()
  assert.equal(directory.calls.authenticate, 0)
  for (let i = 0; i < 10; i++) a.obtainNow(subject({ username: `user-${i}` }))
  await runPendingTasks(clock)
  assert.equal(directory.calls.authenticate, 1)
  await clock.advance(5000)
  // Four checks run at a time, so each user sends three requests.
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) a.obtainNow(subject({ username: `user-${i}` }))
    await runPendingTasks(clock)
  }
  assert.equal(directory.calls.authenticate, 10)
})

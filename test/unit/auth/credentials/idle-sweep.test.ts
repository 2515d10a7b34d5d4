import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type IdleSweepOptions, type SweepEvent, sweepIdleUsers } from '../../../../src/auth/credentials/idle-sweep.ts'
import { decideIdle, idleGraceMs } from '../../../../src/auth/credentials/lifecycle.ts'
import type { ManagedState, StoredUser } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import { createSweepLease, noSweepLease } from '../../../../src/auth/credentials/sweep-lease.ts'
import { GatewayError } from '../../../../src/http/errors.ts'
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts'
import {
  createMemoryDirectory,
  createMemoryUser,
  type MemoryDirectory,
  unavailable,
} from '../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import {
  createReplica,
  hour,
  identity,
  key,
  minute,
  noon,
  otherKey,
  passwordIn,
  pause,
  rules,
  settle,
  subject,
} from './fixture.ts'

const keys = createKeyring([key])
const bob = subject()
/** When a user who was last seen at noon counts as idle. */
const idleAt = noon + hour + pause + idleGraceMs

function startSweep(directory: MemoryDirectory, clock: FakeClock, more: Partial<IdleSweepOptions> = {}) {
  const events: SweepEvent[] = []
  const stopped = new AbortController()
  const done = sweepIdleUsers(
    {
      directory,
      keys,
      preparePassword: createPasswordWriter({ keys, sendsHash: () => false }),
      rules,
      lease: noSweepLease,
      now: clock.now,
      sleep: clock.sleep,
      random: () => 0.5,
      report: (event) => void events.push(event),
      ...more,
    },
    stopped.signal,
  )
  return { events, stop: () => stopped.abort(), done }
}

function createBed() {
  const clock = createFakeClock(noon)
  const directory = createMemoryDirectory()
  return { clock, directory }
}

function stateOf(version: number, issued_at = noon, key_id = keys.currentId): ManagedState {
  return { created: '2026-11-01', version, key_id, issued_at, fingerprint: 'f' }
}

function addUser(directory: MemoryDirectory, username: string, state = stateOf(1)) {
  const password = keys.password(state.key_id, username, state.created, state.version)
  directory.users.set(
    username,
    createMemoryUser({ password, roles: ['reader'], metadata: { team: 'blue', elastauth: state } }),
  )
}

describe('decideIdle', () => {
  const user = (state: ManagedState, more: Partial<StoredUser> = {}): StoredUser => ({
    reserved: false,
    enabled: true,
    roles: [],
    metadata: { elastauth: state },
    ...more,
  })
  type Row = [
    situation: string,
    stored: StoredUser | undefined,
    span: { from?: number; until?: number },
    version: number | undefined,
  ]
  const rows: Row[] = [
    ['nobody', undefined, {}, undefined],
    ['reserved', user(stateOf(7), { reserved: true }), {}, undefined],
    ['foreign', user(stateOf(7), { metadata: {} }), {}, undefined],
    ['under a key that we do not know', user(stateOf(7, noon, 'lost')), {}, undefined],
    ['a millisecond before it is idle', user(stateOf(7)), { until: idleAt - 1 }, undefined],
    ['idle from now on: the password of the next version', user(stateOf(7)), { until: idleAt }, 8],
    ['idle for a year', user(stateOf(7)), { until: idleAt + 365 * 24 * hour }, 8],
    ['idle since the pass before', user(stateOf(7)), { from: idleAt - 1, until: idleAt }, 8],
    ['idle already at the pass before', user(stateOf(7)), { from: idleAt, until: idleAt + hour }, undefined],
    ['extended: not idle', user({ ...stateOf(7), extended_at: noon + 5 }), { until: idleAt + 4 }, undefined],
    ['extended, and idle after that', user({ ...stateOf(7), extended_at: noon + 5 }), { until: idleAt + 5 }, 8],
    ['disabled: its password ends, too, in case it is enabled again', user(stateOf(7), { enabled: false }), {}, 8],
  ]
  for (const [situation, stored, { from = Number.NEGATIVE_INFINITY, until = idleAt }, version] of rows) {
    test(situation, () => assert.equal(decideIdle({ stored, from, until, keys, rules })?.version, version))
  }

  test('is the password that the next request of the user writes', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    const state = decideIdle({ stored: directory.users.get('bob'), from: 0, until: idleAt, keys, rules })!
    await clock.advance(idleAt - noon)
    const password = passwordIn(await obtain(bob))
    assert.equal(keys.password(state.key_id, 'bob', state.created, state.version), password)
  })
})

describe('the sweep', () => {
  test('10,000 idle users in 24 hours are 10,000 writes, and nothing but the password changes', {
    timeout: 100_000,
  }, async () => {
    const { clock, directory } = createBed()
    for (let i = 0; i < 10_000; i++) addUser(directory, `user-${i}`)
    const before = structuredClone(directory.users.get('user-77')!)
    const { stop, events } = startSweep(directory, clock, { rules: { ...rules, expirationMs: hour } })
    await clock.advance(24 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 10_000)
    assert.equal(new Set(directory.passwordsSet.map(({ username }) => username)).size, 10_000)
    assert.equal(events.length, 10_000)
    assert.equal(directory.calls.put, 0)
    const password = keys.password(keys.currentId, 'user-77', '2026-11-01', 2)
    assert.deepEqual(directory.users.get('user-77'), { ...before, password })
  })

  test('never touches a user with a live credential, and ends the password of one who then stays away', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    const { stop } = startSweep(directory, clock)
    let authorization = ''
    for (let minutes = 0; minutes < 6 * 60; minutes += 0.5) {
      const asked = obtain(bob)
      await clock.advance(minute / 2)
      authorization = await asked
      assert.ok(directory.accepts(authorization))
    }
    assert.equal(directory.passwordsSet.length, 0)
    await clock.advance(3 * hour)
    assert.equal(directory.passwordsSet.length, 1)
    assert.ok(!directory.accepts(authorization))
    const back = await obtain(bob)
    assert.ok(directory.accepts(back), 'who comes back is let in')
    await clock.advance(3 * hour)
    assert.equal(directory.passwordsSet.length, 2, 'once more after that')
    stop()
  })

  test('ends a password that the user has set', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    directory.users.set('bob', { ...directory.users.get('bob')!, password: 'of-my-own' })
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    stop()
    assert.notEqual(directory.users.get('bob')!.password, 'of-my-own')
  })

  test('a write that is decided before a login and arrives after it does not affect the login', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    const held = Promise.withResolvers<void>()
    const sweeping = Promise.withResolvers<void>()
    directory.hooks.before = (operation) => {
      if (operation !== 'setPassword') return
      sweeping.resolve()
      return held.promise
    }
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    await sweeping.promise
    const authorization = await obtain(bob)
    assert.ok(directory.accepts(authorization))
    held.resolve()
    await settle(clock)
    stop()
    assert.deepEqual([directory.passwordsSet.length, directory.accepts(authorization)], [1, true])
  })

  test('a user who comes back between the page and the write is left alone', async () => {
    const { clock, directory } = createBed()
    addUser(directory, 'bob')
    directory.hooks.before = (operation) => {
      if (operation === 'get') addUser(directory, 'bob', stateOf(2, clock.now()))
    }
    const { stop } = startSweep(directory, clock)
    await clock.advance(idleAt - noon + 5 * minute)
    stop()
    assert.equal(directory.passwordsSet.length, 0)
  })

  test('after a denial, the password ends once more, and the user without roles is let in again with the groups', async () => {
    const { clock, directory } = createBed()
    const { obtain, deny } = createReplica(directory, clock)
    await obtain(bob)
    deny(identity({ groups: [] }))
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    assert.equal(directory.passwordsSet.length, 1)
    assert.ok(directory.accepts(await obtain(bob)))
    stop()
  })

  test('a restart without Redis sweeps exactly once more', async () => {
    const { clock, directory } = createBed()
    for (let i = 0; i < 100; i++) addUser(directory, `user-${i}`)
    for (const writes of [100, 200]) {
      const { stop, done } = startSweep(directory, clock)
      await clock.advance(12 * hour)
      stop()
      await clock.advance(hour)
      await done
      assert.equal(directory.passwordsSet.length, writes)
    }
  })

  test('while Elasticsearch is down it waits, then resumes, and reports it once per user', async () => {
    const { clock, directory } = createBed()
    for (let i = 0; i < 1500; i++) addUser(directory, `user-${i}`)
    let isDown = false
    directory.hooks.before = () => {
      if (isDown) throw unavailable()
    }
    const { stop, events } = startSweep(directory, clock)
    await clock.advance(idleAt - noon + 6 * minute)
    while (directory.passwordsSet.length < 700) await clock.advance(1000)
    isDown = true
    await clock.advance(2 * hour)
    isDown = false
    await clock.advance(12 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 1500)
    assert.equal(events.filter(({ kind }) => kind === 'sweep_failed').length, 1)
  })

  test('a user whom Elasticsearch rejects does not delay others', async () => {
    const { clock, directory } = createBed()
    for (const name of ['a', 'b', 'c']) addUser(directory, name)
    directory.hooks.before = (operation, username) => {
      if (operation === 'setPassword' && username === 'b') throw new GatewayError('elasticsearch_rejected', 'no')
    }
    const { stop } = startSweep(directory, clock)
    await clock.advance(3 * hour)
    stop()
    assert.deepEqual(
      directory.passwordsSet.map(({ username }) => username),
      ['a', 'c'],
    )
  })

  test('a user who signs in at the moment of the write is not ended, and that is no failure', async () => {
    const { clock, directory } = createBed()
    addUser(directory, 'a')
    const { events, stop } = startSweep({ ...directory, setPassword: async () => false }, clock)
    await clock.advance(3 * hour)
    stop()
    assert.deepEqual(events, [])
  })

  test('if users cannot be listed it reports that, and tries again at the next interval', async () => {
    const { clock, directory } = createBed()
    addUser(directory, 'a')
    directory.hooks.before = (operation) => {
      if (operation === 'page') throw new GatewayError('elasticsearch_rejected', 'no such endpoint')
    }
    const { stop, events } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    assert.ok(events.length > 1 && events.length < 40)
    directory.hooks.before = undefined
    await clock.advance(hour)
    stop()
    assert.equal(directory.passwordsSet.length, 1)
  })

  test('a page of users that exceeds the response limit is read in smaller pages', async () => {
    const { clock, directory } = createBed()
    for (let i = 0; i < 150; i++) addUser(directory, `user-${i}`)
    const page: MemoryDirectory['page'] = (after, size) =>
      size > 30 ? Promise.reject(unavailable()) : directory.page(after, size)
    const { stop } = startSweep({ ...directory, page }, clock)
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 150)
  })

  test('passwords still end after a clock that was ahead is set back', async () => {
    const { clock, directory } = createBed()
    const { obtain } = createReplica(directory, clock)
    const store = createMemorySharedStore(clock.now)
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store) })
    await clock.advance(24 * hour)
    clock.setBack(24 * hour)
    const authorization = await obtain(bob)
    await clock.advance(3 * hour)
    assert.ok(!directory.accepts(authorization))
    await clock.advance(12 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 1)
  })

  test('stopped in the middle: writes nothing more', async () => {
    const { clock, directory } = createBed()
    for (let i = 0; i < 100; i++) addUser(directory, `user-${i}`)
    const { stop, done } = startSweep(directory, clock)
    await clock.advance(idleAt - noon)
    while (directory.passwordsSet.length < 10) await clock.advance(100)
    stop()
    const { length } = directory.passwordsSet
    await clock.advance(hour)
    await done
    assert.ok(directory.passwordsSet.length <= length + 1)
  })
})

describe('three replicas', () => {
  const addUsers = (directory: MemoryDirectory) => {
    for (let i = 0; i < 700; i++) addUser(directory, `user-${i}`)
  }

  test('with Redis: each user is written once, by one replica at a time, also after a restart of all', async () => {
    const { clock, directory } = createBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    for (let run = 0; run < 2; run++) {
      const sweeps = [0.2, 0.5, 0.9].map((random) =>
        startSweep(directory, clock, { lease: createSweepLease(store), random: () => random }),
      )
      await clock.advance(12 * hour)
      for (const { stop } of sweeps) stop()
      await clock.advance(hour)
      assert.equal(directory.passwordsSet.length, 700)
    }
  })

  test('with Redis, one of which dies in the middle: the others finish it', async () => {
    const { clock, directory } = createBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    const never = new Promise<void>(() => {})
    let isDead = false
    const dying = {
      ...directory,
      setPassword: (...args: Parameters<typeof directory.setPassword>) =>
        isDead ? never : directory.setPassword(...args),
    } as MemoryDirectory
    startSweep(dying, clock, { lease: createSweepLease(store), random: () => 0.1 })
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store) })
    await clock.advance(idleAt - noon)
    while (directory.passwordsSet.length < 50) await clock.advance(100)
    isDead = true
    await clock.advance(2 * hour)
    stop()
    assert.equal(new Set(directory.passwordsSet.map(({ username }) => username)).size, 700)
  })

  test('without Redis: every replica writes the same password for a user', async () => {
    const { clock, directory } = createBed()
    addUsers(directory)
    const sweeps = [0.2, 0.5, 0.9].map((random) => startSweep(directory, clock, { random: () => random }))
    await clock.advance(12 * hour)
    for (const { stop } of sweeps) stop()
    const passwords = new Map<string, Set<string>>()
    for (const { username, password } of directory.passwordsSet)
      passwords.set(username, (passwords.get(username) ?? new Set()).add(password))
    assert.equal(passwords.size, 700)
    assert.ok([...passwords.values()].every(({ size }) => size === 1))
    assert.ok(directory.passwordsSet.length <= 3 * 700)
  })

  test('with a different key, a replica does not write the users of the others', async () => {
    const { clock, directory } = createBed()
    addUsers(directory)
    const { stop } = startSweep(directory, clock, { keys: createKeyring([otherKey]) })
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 0)
  })

  test('when Redis is unreachable: sweeps anyway', async () => {
    const { clock, directory } = createBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    store.hooks.before = () => {
      throw new Error('no Redis')
    }
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store) })
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 700)
  })
})

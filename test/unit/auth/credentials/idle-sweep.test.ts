import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type IdleSweepOptions, type SweepEvent, sweepIdleUsers } from '../../../../src/auth/credentials/idle-sweep.ts'
import { decideIdle, idleGraceMs } from '../../../../src/auth/credentials/lifecycle.ts'
import type { ManagedState, StoredUser } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import type { Retention, RetentionAction } from '../../../../src/auth/credentials/retention/retention.ts'
import { createSweepLease, noSweepLease } from '../../../../src/auth/credentials/sweep-lease.ts'
import type { NamedUser } from '../../../../src/auth/credentials/user-directory.ts'
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
  runPendingTasks,
  subject,
} from './fixture.ts'

const keys = createKeyring([key])
const bob = subject()
/** From when on a user whose password was issued at noon is idle. */
const idleAt = noon + hour + pause + idleGraceMs

function startSweep(directory: MemoryDirectory, clock: FakeClock, overrides: Partial<IdleSweepOptions> = {}) {
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
      ...overrides,
    },
    stopped.signal,
  )
  return { events, stop: () => stopped.abort(), done }
}

function createTestBed() {
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

function rejectWritesOf(rejected: string): MemoryDirectory['hooks']['before'] {
  return (operation, username) => {
    if (operation === 'setPassword' && username === rejected) throw new GatewayError('elasticsearch_rejected', 'no')
  }
}

const namesWritten = ({ passwordsSet }: MemoryDirectory) => passwordsSet.map(({ username }) => username)

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
    ['an absent user is not idle', undefined, {}, undefined],
    ['a reserved user is not idle', user(stateOf(7), { reserved: true }), {}, undefined],
    ['a foreign user is not idle', user(stateOf(7), { metadata: {} }), {}, undefined],
    ['a user under an unknown key is not idle', user(stateOf(7, noon, 'lost')), {}, undefined],
    [
      'a user is not idle a millisecond before the end of the grace period',
      user(stateOf(7)),
      { until: idleAt - 1 },
      undefined,
    ],
    ['a user who becomes idle now gets the password of the next version', user(stateOf(7)), { until: idleAt }, 8],
    [
      'a user who has been idle for a year gets the password of the next version',
      user(stateOf(7)),
      { until: idleAt + 365 * 24 * hour },
      8,
    ],
    [
      'a user who became idle since the previous pass gets the password of the next version',
      user(stateOf(7)),
      { from: idleAt - 1, until: idleAt },
      8,
    ],
    [
      'a user who was idle at the previous pass is skipped',
      user(stateOf(7)),
      { from: idleAt, until: idleAt + hour },
      undefined,
    ],
    [
      'an extended user is not idle before the later expiry',
      user({ ...stateOf(7), extended_at: noon + 5 }),
      { until: idleAt + 4 },
      undefined,
    ],
    [
      'an extended user becomes idle after the later expiry',
      user({ ...stateOf(7), extended_at: noon + 5 }),
      { until: idleAt + 5 },
      8,
    ],
    [
      'a disabled user gets the password of the next version, in case the user is enabled again',
      user(stateOf(7), { enabled: false }),
      {},
      8,
    ],
  ]
  for (const [situation, stored, { from = Number.NEGATIVE_INFINITY, until = idleAt }, version] of rows) {
    test(situation, () => assert.equal(decideIdle({ stored, from, until, keys, rules })?.version, version))
  }

  test("an idle user gets the same password from the sweep as from the user's next request", async () => {
    const { clock, directory } = createTestBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    const state = decideIdle({ stored: directory.users.get('bob'), from: 0, until: idleAt, keys, rules })!
    await clock.advance(idleAt - noon)
    const password = passwordIn(await obtain(bob))
    assert.equal(keys.password(state.key_id, 'bob', state.created, state.version), password)
  })
})

describe('the sweep of idle users', () => {
  test('a sweep of 10,000 idle users for 24 hours makes 10,000 writes that change only the password', async () => {
    const { clock, directory } = createTestBed()
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

  test('the sweep leaves an active user alone, and replaces the password once the user is idle', async () => {
    const { clock, directory } = createTestBed()
    const { obtain } = createReplica(directory, clock)
    const { stop } = startSweep(directory, clock)
    let authorization = ''
    for (let minutes = 0; minutes < 6 * 60; minutes += 0.5) {
      const request = obtain(bob)
      await clock.advance(minute / 2)
      authorization = await request
      assert.ok(directory.accepts(authorization))
    }
    assert.equal(directory.passwordsSet.length, 0)
    await clock.advance(3 * hour)
    assert.equal(directory.passwordsSet.length, 1)
    assert.ok(!directory.accepts(authorization))
    const back = await obtain(bob)
    assert.ok(directory.accepts(back), 'a user who comes back is admitted')
    await clock.advance(3 * hour)
    assert.equal(directory.passwordsSet.length, 2, 'it ends once more after that')
    stop()
  })

  test('the sweep replaces a password that the user set', async () => {
    const { clock, directory } = createTestBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    directory.users.set('bob', { ...directory.users.get('bob')!, password: 'of-my-own' })
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    stop()
    assert.notEqual(directory.users.get('bob')!.password, 'of-my-own')
  })

  test('a sweep write that is decided before a login and arrives after it does not affect the login', async () => {
    const { clock, directory } = createTestBed()
    const { obtain } = createReplica(directory, clock)
    await obtain(bob)
    const write = Promise.withResolvers<void>()
    const writing = Promise.withResolvers<void>()
    directory.hooks.before = (operation) => {
      if (operation !== 'setPassword') return
      writing.resolve()
      return write.promise
    }
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    await writing.promise
    const authorization = await obtain(bob)
    assert.ok(directory.accepts(authorization))
    write.resolve()
    await runPendingTasks(clock)
    stop()
    assert.deepEqual([directory.passwordsSet.length, directory.accepts(authorization)], [1, true])
  })

  test('the sweep does not write a user who comes back between the listing and the write', async () => {
    const { clock, directory } = createTestBed()
    addUser(directory, 'bob')
    directory.hooks.before = (operation) => {
      if (operation === 'get') addUser(directory, 'bob', stateOf(2, clock.now()))
    }
    const { stop } = startSweep(directory, clock)
    await clock.advance(idleAt - noon + 5 * minute)
    stop()
    assert.equal(directory.passwordsSet.length, 0)
  })

  test("the sweep replaces a denied user's password again, and the user gets a valid credential when the groups come back", async () => {
    const { clock, directory } = createTestBed()
    const { obtain, deny } = createReplica(directory, clock)
    await obtain(bob)
    deny(identity({ groups: [] }))
    const { stop } = startSweep(directory, clock)
    await clock.advance(2 * hour)
    assert.equal(directory.passwordsSet.length, 1)
    assert.ok(directory.accepts(await obtain(bob)))
    stop()
  })

  test('a restart without Redis sweeps the idle users exactly once more', async () => {
    const { clock, directory } = createTestBed()
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

  test('the sweep waits while Elasticsearch is down, then resumes, and reports one failure', async () => {
    const { clock, directory } = createTestBed()
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

  test('a user whom Elasticsearch rejects neither delays nor repeats the writes of others, and is written once it accepts', async () => {
    const { clock, directory } = createTestBed()
    for (const name of ['a', 'b', 'c']) addUser(directory, name)
    directory.hooks.before = rejectWritesOf('b')
    const { stop } = startSweep(directory, clock)
    await clock.advance(3 * hour)
    assert.deepEqual(namesWritten(directory), ['a', 'c'])
    directory.hooks.before = undefined
    await clock.advance(3 * hour)
    stop()
    assert.deepEqual(namesWritten(directory), ['a', 'c', 'b'])
  })

  test('a rejected user who comes back is not written before the user is idle again', async () => {
    const { clock, directory } = createTestBed()
    addUser(directory, 'b')
    directory.hooks.before = rejectWritesOf('b')
    const { stop } = startSweep(directory, clock)
    await clock.advance(3 * hour)
    directory.hooks.before = undefined
    addUser(directory, 'b', stateOf(2, clock.now()))
    await clock.advance(idleAt - noon - 1)
    assert.deepEqual(namesWritten(directory), [])
    await clock.advance(10 * minute)
    stop()
    assert.deepEqual(namesWritten(directory), ['b'])
  })

  test('a rejected user is written even if the clock is set back to before the user is idle', async () => {
    const { clock, directory } = createTestBed()
    addUser(directory, 'b')
    directory.hooks.before = rejectWritesOf('b')
    const { events, stop } = startSweep(directory, clock)
    await clock.advance(idleAt - noon - 5 * minute)
    while (events.length === 0) await clock.advance(1000)
    clock.setBack(9 * minute) // so the next pass, 5 minutes later, is up to 5 minutes before the previous one
    directory.hooks.before = undefined
    await clock.advance(hour)
    stop()
    assert.deepEqual(new Set(namesWritten(directory)), new Set(['b']))
  })

  for (const count of [1000, 1100]) {
    test(`while Elasticsearch rejects ${count} users, each pass reports one failure, and all are written later`, async () => {
      const { clock, directory } = createTestBed()
      for (let i = 0; i < count; i++) addUser(directory, `user-${i}`)
      let [passes, isRejected] = [0, true]
      directory.hooks.before = (operation) => {
        if (operation === 'setPassword' && isRejected) throw new GatewayError('elasticsearch_rejected', 'no')
      }
      const release = async () => void passes++
      const lease = { acquire: async () => ({ ...(await noSweepLease.acquire())!, release }) }
      const { events, stop } = startSweep(directory, clock, { lease })
      await clock.advance(idleAt - noon - 5 * minute)
      passes = 0
      while (passes < 5) await clock.advance(minute)
      assert.ok(events.length >= 3 && events.length <= 5, `${events.length} events in ${passes} passes`)
      isRejected = false
      await clock.advance(hour)
      stop()
      assert.deepEqual(new Set(namesWritten(directory)), new Set(directory.users.keys()))
    })
  }

  test('a conflict with a concurrent write of the user is not reported as a failed sweep, and the next pass writes the user', async () => {
    const { clock, directory } = createTestBed()
    addUser(directory, 'a')
    let conflicts = 0
    const setPassword: MemoryDirectory['setPassword'] = async (...args) =>
      conflicts++ > 0 && directory.setPassword(...args)
    const { events, stop } = startSweep({ ...directory, setPassword }, clock)
    await clock.advance(3 * hour)
    stop()
    assert.deepEqual(events, [{ kind: 'password_ended', username: 'a' }])
    assert.deepEqual(namesWritten(directory), ['a'])
  })

  test('the sweep reports a failure to list users, and retries at the next interval', async () => {
    const { clock, directory } = createTestBed()
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

  test('the sweep reads smaller pages if a page exceeds the response limit', async () => {
    const { clock, directory } = createTestBed()
    for (let i = 0; i < 150; i++) addUser(directory, `user-${i}`)
    const page: MemoryDirectory['page'] = (after, size) =>
      size > 30 ? Promise.reject(unavailable()) : directory.page(after, size)
    const { stop } = startSweep({ ...directory, page }, clock)
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 150)
  })

  test('the sweep replaces passwords after a clock that was ahead is set back', async () => {
    const { clock, directory } = createTestBed()
    const { obtain } = createReplica(directory, clock)
    const store = createMemorySharedStore(clock.now)
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store, rules, keys) })
    await clock.advance(24 * hour)
    clock.setBack(24 * hour)
    const authorization = await obtain(bob)
    await clock.advance(3 * hour)
    assert.ok(!directory.accepts(authorization))
    await clock.advance(12 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 1)
  })

  test('the sweep makes no further writes after it is stopped', async () => {
    const { clock, directory } = createTestBed()
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

describe('the sweep with user_retention', () => {
  const retentionOf = (
    due: (username: string) => RetentionAction | undefined,
    apply: (username: string) => Promise<RetentionAction | undefined>,
  ): Retention => ({ dueFor: (stored) => due((stored as NamedUser).username), apply })

  test('one listing serves both: retention comes first, and the idle password of a user is ended where nothing else is due', async () => {
    const { clock, directory } = createTestBed()
    for (const name of ['a', 'b', 'c']) addUser(directory, name)
    const applied: string[] = []
    const retention = retentionOf(
      (username) => (username === 'b' && !applied.includes('b') ? 'deleted' : undefined),
      async (username) => {
        applied.push(username)
        directory.users.delete(username)
        return 'deleted'
      },
    )
    let pages = 0
    directory.hooks.before = (operation) => void (operation === 'page' && pages++)
    const { stop, events } = startSweep(directory, clock, { retention })
    await clock.advance(idleAt - noon + 6 * minute)
    stop()
    assert.deepEqual(applied, ['b'])
    assert.deepEqual(
      directory.passwordsSet.map(({ username }) => username),
      ['a', 'c'],
    )
    assert.equal(events.length, 2)
    const passes = Math.floor((idleAt - noon + 6 * minute) / (4 * minute))
    assert.ok(pages <= passes, `${pages} pages`)
  })

  test('a pass reports only the first user of whom retention fails, goes on with the others, and ends the idle passwords', async () => {
    const { clock, directory } = createTestBed()
    for (const name of ['a', 'b', 'c']) addUser(directory, name)
    const tried: string[] = []
    const retention = retentionOf(
      () => 'disabled_idle',
      async (username) => {
        tried.push(username)
        throw new GatewayError('elasticsearch_rejected', 'no')
      },
    )
    const { stop, events } = startSweep(directory, clock, { retention })
    await clock.advance(6 * minute)
    assert.deepEqual(tried, ['a', 'b', 'c'])
    assert.deepEqual(
      events.map((event) => [event.kind, event.username]),
      [['retention_failed', 'a']],
    )
    await clock.advance(2 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 3)
  })

  test('a pass deletes at most 100 users, so that a wrong clock does not delete all users at once', async () => {
    const { clock, directory } = createTestBed()
    for (let i = 0; i < 250; i++) addUser(directory, `user-${String(i).padStart(3, '0')}`)
    const retention = retentionOf(
      () => 'deleted',
      async (username) => {
        directory.users.delete(username)
        return 'deleted'
      },
    )
    const left: number[] = []
    const lease = {
      acquire: async () => ({
        ...(await noSweepLease.acquire())!,
        release: async () => void left.push(directory.users.size),
      }),
    }
    const { stop } = startSweep(directory, clock, { retention, lease })
    await clock.advance(30 * minute)
    stop()
    assert.deepEqual(left.slice(0, 4), [150, 50, 0, 0])
  })

  test('10,000 users who are due are read and written page by page, at most 20 a second', async () => {
    const { clock, directory } = createTestBed()
    for (let i = 0; i < 10_000; i++) addUser(directory, `user-${i}`)
    let [largest, started, done] = [0, 0, 0]
    const page: MemoryDirectory['page'] = async (after, size) => {
      const users = await directory.page(after, size)
      largest = Math.max(largest, users.length)
      return users
    }
    const retention = retentionOf(
      (username) => (directory.users.get(username)!.enabled ? 'disabled_idle' : undefined),
      async (username) => {
        started ||= clock.now()
        done = clock.now()
        directory.users.set(username, { ...directory.users.get(username)!, enabled: false })
        return 'disabled_idle'
      },
    )
    const { stop } = startSweep({ ...directory, page }, clock, {
      retention,
      rules: { ...rules, expirationMs: 48 * hour },
    })
    await clock.advance(hour)
    stop()
    assert.equal([...directory.users.values()].filter(({ enabled }) => enabled).length, 0)
    assert.equal(largest, 100)
    assert.ok(done - started >= (10_000 / 20) * 1000 - 50, `${done - started} ms`)
  })
})

describe('the lease of the idle sweep', () => {
  const stored = `expiration 3600000 pause 1000 keys ${keys.currentId}`
  for (const [what, value, sweptUntil] of [
    ['a time in milliseconds', `until 1795447047906 ${stored}`, 1_795_447_047_906],
    ['a time with more than 15 digits', `until 1795447047906000 ${stored}`, undefined],
    ['a negative time', `until -1 ${stored}`, undefined],
    ['a time that is not a number', `until Infinity ${stored}`, undefined],
    ['a time with text after it', `until 1795447047906 ms ${stored}`, undefined],
    ['a time without its name', `1795447047906 ${stored}`, undefined],
    ['a time that was stored without an expiration', 'until 1795447047906', undefined],
    [
      'a time under another expiration',
      `until 1795447047906 ${stored.replace('expiration 3600000', 'expiration 86400000')}`,
      undefined,
    ],
    ['a time under another rotation pause', `until 1795447047906 ${stored.replace('1000 k', '10000 k')}`, undefined],
    ['a time under other secret keys', `until 1795447047906 ${stored},0123abcd`, undefined],
    ['a time that was stored without keys', 'until 1795447047906 expiration 3600000 pause 1000', undefined],
    ['no value', '', undefined],
  ] as const) {
    test(`a replica that finds ${what} in place of the lease continues ${sweptUntil ? 'at that time' : 'without a time'}`, async () => {
      const store = createMemorySharedStore(() => noon)
      store.put('~idle-sweep', value)
      const lease = await createSweepLease(store, rules, keys).acquire()
      assert.equal(lease!.sweptUntil, sweptUntil)
    })
  }

  test('a replica that renews its lease still holds it, and one that releases it leaves the time of its sweep', async () => {
    const store = createMemorySharedStore(() => noon)
    const lease = await createSweepLease(store, rules, keys).acquire()
    await lease!.renew()
    assert.equal(await createSweepLease(store, rules, keys).acquire(), undefined)
    await lease!.release(noon)
    const next = await createSweepLease(store, rules, keys).acquire()
    assert.equal(next!.sweptUntil, noon)
  })

  test('a lease that is released before the first sweep has ended stores no time of a last sweep', async () => {
    const store = createMemorySharedStore(() => noon)
    const lease = await createSweepLease(store, rules, keys).acquire()
    await lease!.release(Number.NEGATIVE_INFINITY)
    const next = await createSweepLease(store, rules, keys).acquire()
    assert.equal(next!.sweptUntil, undefined)
  })
})

describe('the sweep of idle users with three replicas', () => {
  const addUsers = (directory: MemoryDirectory) => {
    for (let i = 0; i < 700; i++) addUser(directory, `user-${i}`)
  }

  test('with Redis, the sweep writes each user once, even if all replicas restart', async () => {
    const { clock, directory } = createTestBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    for (let run = 0; run < 2; run++) {
      const sweeps = [0.2, 0.5, 0.9].map((random) =>
        startSweep(directory, clock, { lease: createSweepLease(store, rules, keys), random: () => random }),
      )
      await clock.advance(12 * hour)
      for (const { stop } of sweeps) stop()
      await clock.advance(hour)
      assert.equal(directory.passwordsSet.length, 700)
    }
  })

  for (const [what, before] of [
    ['expiration', { ...rules, expirationMs: 24 * hour }],
    ['rotation pause', { ...rules, rotationPauseMs: 10 * minute }],
  ] as const) {
    test(`with Redis, users whom a shorter ${what} makes idle earlier than the last sweep lose their passwords`, async () => {
      const { clock, directory } = createTestBed()
      addUser(directory, 'bob')
      const store = createMemorySharedStore(clock.now)
      const first = startSweep(directory, clock, { lease: createSweepLease(store, before, keys), rules: before })
      await clock.advance(idleAt + 5 * minute - noon)
      first.stop()
      await clock.advance(minute)
      assert.equal(directory.passwordsSet.length, 0)
      const second = startSweep(directory, clock, { lease: createSweepLease(store, rules, keys) })
      await clock.advance(10 * minute)
      second.stop()
      assert.equal(directory.passwordsSet.length, 1)
    })
  }

  test('with Redis, the sweep of a replica with another secret key does not keep the other replicas from sweeping their users', async () => {
    const { clock, directory } = createTestBed()
    addUser(directory, 'bob')
    const store = createMemorySharedStore(clock.now)
    const others = createKeyring([otherKey])
    const first = startSweep(directory, clock, { lease: createSweepLease(store, rules, others), keys: others })
    await clock.advance(idleAt + 10 * minute - noon)
    first.stop()
    await clock.advance(10 * minute)
    assert.equal(directory.passwordsSet.length, 0)
    const second = startSweep(directory, clock, { lease: createSweepLease(store, rules, keys) })
    await clock.advance(10 * minute)
    second.stop()
    assert.equal(directory.passwordsSet.length, 1)
  })

  test('with Redis, a user whom Elasticsearch rejects is written after a restart, and each replica writes the others only once before', async () => {
    const { clock, directory } = createTestBed()
    for (const name of ['a', 'b', 'c']) addUser(directory, name)
    const store = createMemorySharedStore(clock.now)
    const run = async (time: number) => {
      const sweeps = [0.2, 0.5, 0.9].map((random) =>
        startSweep(directory, clock, { lease: createSweepLease(store, rules, keys), random: () => random }),
      )
      await clock.advance(time)
      for (const { stop } of sweeps) stop()
      await clock.advance(hour)
      await Promise.all(sweeps.map(({ done }) => done))
      return directory.passwordsSet.splice(0).map(({ username }) => username)
    }
    directory.hooks.before = rejectWritesOf('b')
    const rejected = await run(12 * hour)
    assert.deepEqual(new Set(rejected), new Set(['a', 'c']))
    assert.ok(rejected.length <= 3 * 2, rejected.join())
    directory.hooks.before = undefined
    assert.ok((await run(hour)).includes('b'))
    assert.deepEqual(await run(hour), [], 'the progress is stored again')
  })

  test('with Redis, other replicas finish the sweep of a replica that dies', async () => {
    const { clock, directory } = createTestBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    const never = new Promise<void>(() => {})
    let isDead = false
    const dyingDirectory = {
      ...directory,
      setPassword: (...args: Parameters<typeof directory.setPassword>) =>
        isDead ? never : directory.setPassword(...args),
    } as MemoryDirectory
    startSweep(dyingDirectory, clock, { lease: createSweepLease(store, rules, keys), random: () => 0.1 })
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store, rules, keys) })
    await clock.advance(idleAt - noon)
    while (directory.passwordsSet.length < 50) await clock.advance(100)
    isDead = true
    await clock.advance(2 * hour)
    stop()
    assert.equal(new Set(directory.passwordsSet.map(({ username }) => username)).size, 700)
  })

  test('without Redis, every replica sweeps, and all write the same password for a user', async () => {
    const { clock, directory } = createTestBed()
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

  test("a replica with another secret key does not sweep the other replicas' users", async () => {
    const { clock, directory } = createTestBed()
    addUsers(directory)
    const { stop } = startSweep(directory, clock, { keys: createKeyring([otherKey]) })
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 0)
  })

  test('the sweep runs even if Redis is unreachable', async () => {
    const { clock, directory } = createTestBed()
    addUsers(directory)
    const store = createMemorySharedStore(clock.now)
    store.hooks.before = () => {
      throw new Error('no Redis')
    }
    const { stop } = startSweep(directory, clock, { lease: createSweepLease(store, rules, keys) })
    await clock.advance(3 * hour)
    stop()
    assert.equal(directory.passwordsSet.length, 700)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideDenial, type LifecycleRules } from '../../../../src/auth/credentials/lifecycle.ts'
import type { ManagedState, StoredUser } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createSharedCache } from '../../../../src/auth/credentials/shared-cache.ts'
import { createMemoryUser, unavailable } from '../../../support/memory-directory.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import {
  createReplica,
  createTestBed,
  hour,
  identity,
  key,
  minute,
  noon,
  otherKey,
  pause,
  settle,
  subject,
} from './fixture.ts'

const bob = subject()
/** Groups that give no role. */
const outsider = identity({ groups: ['guests'] })
const changeIntervalMs = 5000
const rules = { changeIntervalMs }
const userOf = ({ directory }: ReturnType<typeof createTestBed>) => directory.users.get('bob')!
const versionIn = (user: { metadata: Readonly<Record<string, unknown>> }) =>
  (user.metadata.elastauth as ManagedState).version

describe('decideDenial', () => {
  const all: LifecycleRules = {
    expirationMs: hour,
    rotationPauseMs: pause,
    extend: false,
    adoptExisting: true,
    rekey: 'allow',
    changeIntervalMs,
  }
  const keys = { currentId: 'new-key', knows: (id: string) => ['new-key', 'old-key'].includes(id) }
  const state = { created: '2026-11-01', version: 7, key_id: 'new-key', issued_at: noon, fingerprint: 'f' }
  const user = (elastauth: object = state, more: Partial<StoredUser> = {}): StoredUser => ({
    reserved: false,
    enabled: true,
    roles: ['reader'],
    metadata: { elastauth },
    ...more,
  })
  const none = { kind: 'none' }
  const denied = (now: number) => ({
    kind: 'write',
    reason: 'denied',
    state: { created: '2026-11-01', version: 8, key_id: 'new-key', issued_at: now, fingerprint: 'denied' },
  })
  type Row = [
    situation: string,
    stored: StoredUser | undefined,
    times: { now?: number; deniedAt?: number },
    decision: unknown,
  ]
  const rows: Row[] = [
    ['an absent user: nothing is created', undefined, {}, none],
    ['a reserved user is left alone', user(state, { reserved: true }), {}, none],
    ['a disabled user is left alone', user(state, { enabled: false }), {}, none],
    ['a foreign user is left alone, whatever adopt_existing_users says', user(state, { metadata: {} }), {}, none],
    ['a user under a key that we do not know is left alone', user({ ...state, key_id: 'lost' }), {}, none],
    ['a user without roles has been denied already', user(state, { roles: [] }), {}, none],
    ['ours: denied', user(), {}, denied(noon)],
    [
      'ours under the previous key: the next password has the current one',
      user({ ...state, key_id: 'old-key' }),
      {},
      denied(noon),
    ],
    ['at the end of its password: no pause', user(), { now: noon + hour }, denied(noon + hour)],
    [
      'long after the end of its password: the roles go all the same',
      user(),
      { now: noon + 9 * hour },
      denied(noon + 9 * hour),
    ],
    [
      'changed a moment ago: waits',
      user({ ...state, changed_at: noon - 1 }),
      {},
      { kind: 'wait', until: noon + changeIntervalMs - 1 },
    ],
    [
      'changed a change interval ago: denied',
      user({ ...state, changed_at: noon - changeIntervalMs }),
      {},
      denied(noon),
    ],
    [
      'rotated since the denial was seen, by somebody who was let in: superseded',
      user({ ...state, issued_at: noon + pause + 1 }),
      { now: noon + hour, deniedAt: noon },
      { kind: 'superseded' },
    ],
    [
      'changed since the denial was seen: superseded',
      user({ ...state, changed_at: noon + pause + 1 }),
      { now: noon + hour, deniedAt: noon },
      { kind: 'superseded' },
    ],
    [
      'rotated at the same moment by a clock that is ahead: denied',
      user({ ...state, issued_at: noon + pause }),
      {},
      denied(noon),
    ],
    [
      'issued in the far future, which is made up: denied',
      user({ ...state, issued_at: noon + 900 * hour }),
      {},
      denied(noon),
    ],
  ]
  for (const [situation, stored, { now = noon, deniedAt = now }, decision] of rows) {
    test(situation, () => {
      assert.deepEqual(
        decideDenial({ stored, subject: { fingerprint: 'denied' }, deniedAt, now, keys, rules: all }),
        decision,
      )
    })
  }
})

describe('a user whose groups give no access any more', () => {
  test('loses all roles and the password, and stays enabled', async () => {
    const world = createTestBed()
    const former = await world.obtain(bob)
    world.deny(outsider)
    await settle(world.clock)
    const { roles, metadata, enabled } = userOf(world)
    assert.deepEqual([roles, metadata.groups, enabled, versionIn({ metadata })], [[], ['guests'], true, 2])
    assert.ok(!world.directory.accepts(former))
    assert.deepEqual(world.writes(), ['created', 'denied'])
  })

  test('1,000 denied requests cost one read to decide, one to look again, and one write', async () => {
    const { clock, directory, obtain, deny } = createTestBed()
    await obtain(bob)
    const { get, put } = directory.calls
    for (let i = 0; i < 1000; i++) {
      deny(i % 2 === 0 ? outsider : identity({ groups: [] }))
      if (i % 100 === 0) await settle(clock)
    }
    assert.deepEqual(directory.calls, { get: get + 2, put: put + 1, authenticate: 0 })
  })

  test('who is not in Elasticsearch: 1,000 denied requests cost one read, and nothing is created', async () => {
    const { clock, directory, deny } = createTestBed()
    for (let i = 0; i < 1000; i++) {
      deny(outsider)
      if (i % 100 === 0) await settle(clock)
    }
    assert.deepEqual(directory.calls, { get: 1, put: 0, authenticate: 0 })
    assert.equal(directory.users.size, 0)
  })

  test('whose groups come back gets the roles with the next request, and a password that works', async () => {
    const world = createTestBed()
    await world.obtain(bob)
    world.deny(outsider)
    await settle(world.clock)
    assert.ok(world.directory.accepts(await world.obtain(bob)))
    assert.deepEqual(userOf(world).roles, ['reader'])
    world.deny(outsider)
    await settle(world.clock)
    assert.deepEqual(userOf(world).roles, [], 'denied once more, at once, however often that happens')
  })

  test('who set a password of their own loses it, too', async () => {
    const world = createTestBed()
    await world.obtain(bob)
    world.directory.users.set('bob', { ...userOf(world), password: 'of-my-own' })
    world.deny(outsider)
    await settle(world.clock)
    assert.notEqual(userOf(world).password, 'of-my-own')
  })

  test('disabled, foreign, reserved, or under an unknown key: the user is left as it is', async () => {
    const state = { created: '2026-11-23', version: 1, key_id: 'unknown', issued_at: noon, fingerprint: '' }
    const users = [
      createMemoryUser({ roles: ['admin'] }),
      createMemoryUser({ roles: ['admin'], reserved: true }),
      createMemoryUser({ roles: ['admin'], metadata: { elastauth: state } }),
    ]
    for (const user of users) {
      const { clock, directory, deny } = createTestBed({ rules: { adoptExisting: true } })
      directory.users.set('bob', user)
      deny(outsider)
      await settle(clock)
      assert.deepEqual([directory.users.get('bob'), directory.calls.put], [user, 0])
    }
  })

  test('disabled between our read and our write: nothing is written', async () => {
    const world = createTestBed()
    await world.obtain(bob)
    world.directory.hooks.after = (operation) => {
      if (operation === 'get') world.directory.users.set('bob', { ...userOf(world), enabled: false })
    }
    world.deny(outsider)
    await settle(world.clock)
    assert.deepEqual([userOf(world).enabled, world.directory.calls.put], [false, 1])
  })

  test('alternately allowed and denied for a minute: at most 12 writes, and every credential handed out works', async () => {
    const { clock, directory, obtain, deny } = createTestBed({ rules })
    await obtain(bob)
    const begun = { ...directory.calls }
    const asking = new Set<Promise<unknown>>()
    for (let tenth = 0; tenth < 599; tenth++) {
      if (tenth % 2 === 0) deny(outsider)
      else asking.add(obtain(bob))
      await clock.advance(100)
    }
    const writes = directory.calls.put - begun.put
    assert.ok(writes <= 12, `${writes} writes`)
    assert.ok(writes >= 6, `${writes} writes`)
    assert.ok(directory.calls.get - begun.get <= 100, `${directory.calls.get - begun.get} reads`)
    await clock.advance(minute)
    await Promise.all(asking)
  })
})

test('denied again while an attempt finds that the user was let in since: the later denial is carried out, too', async () => {
  const world = createTestBed({ rules })
  await world.obtain(bob)
  let isFirst = true
  world.directory.hooks.before = async (operation) => {
    if (operation !== 'get' || !isFirst) return
    isFirst = false
    await world.clock.sleep(10_000) // another replica lets the user in meanwhile; afterwards the user is not let in
    const user = userOf(world)
    const elastauth = { ...Object(user.metadata.elastauth), changed_at: world.clock.now() }
    world.directory.users.set('bob', { ...user, metadata: { ...user.metadata, elastauth } })
    await world.clock.sleep(10_000)
  }
  world.deny(outsider)
  await world.clock.advance(15_000)
  world.deny(outsider)
  await world.clock.advance(minute)
  assert.deepEqual(userOf(world).roles, [])
})

describe('while Elasticsearch is down', () => {
  test('a denial throws nothing and waits; it is carried out when Elasticsearch is back, and logged once', async () => {
    const world = createTestBed()
    const former = await world.obtain(bob)
    world.directory.hooks.before = () => {
      throw unavailable()
    }
    world.deny(outsider)
    await world.clock.advance(5 * minute)
    assert.ok(world.directory.accepts(former))
    assert.equal(world.events.filter(({ kind }) => kind === 'denial_failed').length, 1)
    world.directory.hooks.before = undefined
    await world.clock.advance(minute)
    assert.deepEqual(userOf(world).roles, [])
    assert.ok(!world.directory.accepts(former))
  })

  test('10,000 users are denied: 8 at a time are tried, and further ones are dropped and reported', async () => {
    const { clock, directory, deny, events } = createTestBed()
    let [running, most] = [0, 0]
    directory.hooks.before = async () => {
      most = Math.max(most, ++running)
      await clock.sleep(100)
      running--
      throw unavailable()
    }
    for (let i = 0; i < 10_005; i++) deny(identity({ username: `user-${i}`, groups: [] }))
    await clock.advance(300)
    assert.equal(most, 8)
    assert.equal(events.filter(({ kind }) => kind === 'denial_dropped').length, 5)
  })

  test('a user who was let in since keeps the roles when Elasticsearch is back', async () => {
    const world = createTestBed()
    const credential = await world.obtain(bob)
    world.directory.hooks.before = () => {
      throw unavailable()
    }
    world.deny(outsider)
    await world.clock.advance(minute / 4)
    await world.obtain(bob) // from the cache
    world.directory.hooks.before = undefined
    await world.clock.advance(minute)
    assert.ok(world.directory.accepts(credential))
  })

  test('closed: nothing is retried', async () => {
    const world = createTestBed()
    await world.obtain(bob)
    world.directory.hooks.before = () => {
      throw unavailable()
    }
    world.deny(outsider)
    await settle(world.clock)
    world.close()
    world.directory.hooks.before = undefined
    await world.clock.advance(hour)
    assert.deepEqual(userOf(world).roles, ['reader'])
  })
})

describe('three replicas', () => {
  test('with Redis: one write, and the others drop their cached credential', async () => {
    const { clock, directory } = createTestBed()
    const store = createMemorySharedStore(clock.now)
    const keys = createKeyring([key])
    const sharedRules = {
      expirationMs: hour,
      rotationPauseMs: pause,
      extend: false,
      adoptExisting: false,
      rekey: 'allow',
      changeIntervalMs,
    } as const
    const replicas = Array.from({ length: 3 }, () => {
      const states = createSharedCache({
        store,
        keys,
        rules: sharedRules,
        lockTtlMs: 30_000,
        now: clock.now,
        monotonicNow: clock.now,
        sleep: clock.sleep,
      })
      const replica = createReplica(directory, clock, { states, rules: sharedRules })
      store.onChange(replica.noteChange)
      return replica
    })
    for (const { obtain } of replicas) await obtain(bob)
    for (const { deny } of replicas) deny(outsider)
    await clock.advance(minute)
    assert.deepEqual(
      directory.written.map(({ roles }) => roles),
      [['reader'], []],
    )
    assert.deepEqual(
      replicas.map(({ cache }) => cache.size()),
      [0, 0, 0],
    )
    for (const { obtain } of replicas) assert.ok(directory.accepts(await obtain(bob)))
    const before = directory.calls.put
    replicas[0]!.deny(outsider)
    await clock.advance(minute)
    assert.deepEqual([directory.users.get('bob')?.roles, directory.calls.put], [[], before + 1])
  })

  test('without Redis: simultaneous writes have the same password, and no role', async () => {
    const { clock, directory } = createTestBed()
    const replicas = Array.from({ length: 3 }, () => createReplica(directory, clock, { rules }))
    for (const { obtain } of replicas) await obtain(bob)
    directory.hooks.before = () => clock.sleep(20)
    for (const { deny } of replicas) deny(outsider)
    await clock.advance(minute)
    const denials = directory.written.slice(1)
    assert.ok(denials.length <= 3)
    assert.equal(new Set(denials.map(({ password }) => password)).size, 1)
    assert.ok(denials.every(({ roles }) => roles.length === 0))
  })

  test('with another key each: only one that knows the user denies it', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const stranger = createReplica(directory, clock, { keys: [otherKey] })
    stranger.deny(outsider)
    await settle(clock)
    assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
  })
})

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
  runPendingTasks,
  subject,
} from './fixture.ts'

const bob = subject()
/** Groups that grant no role. */
const outsider = identity({ groups: ['guests'] })
const changeIntervalMs = 5000
const rules = { changeIntervalMs }
const userOf = ({ directory }: ReturnType<typeof createTestBed>) => directory.users.get('bob')!
const versionIn = (user: { metadata: Readonly<Record<string, unknown>> }) =>
  (user.metadata.elastauth as ManagedState).version

describe('decideDenial', () => {
  const tableRules: LifecycleRules = {
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
    ['a denied user who is absent is not created', undefined, {}, none],
    ['a denied reserved user is not written', user(state, { reserved: true }), {}, none],
    ['a denied disabled user is not written', user(state, { enabled: false }), {}, none],
    ['a denied foreign user is not written even with adopt_existing_users', user(state, { metadata: {} }), {}, none],
    ['a denied user under an unknown key is not written', user({ ...state, key_id: 'lost' }), {}, none],
    ['a denied user without roles is not written again', user(state, { roles: [] }), {}, none],
    ['a denied managed user loses the roles and the password', user(), {}, denied(noon)],
    [
      'a denied user under the previous key gets a password of the current key',
      user({ ...state, key_id: 'old-key' }),
      {},
      denied(noon),
    ],
    [
      'a denied user with an expired password is written without the rotation pause',
      user(),
      { now: noon + hour },
      denied(noon + hour),
    ],
    [
      'a denied user whose password expired long ago loses the roles',
      user(),
      { now: noon + 9 * hour },
      denied(noon + 9 * hour),
    ],
    [
      'a denied user who was changed a moment ago waits for the change interval',
      user({ ...state, changed_at: noon - 1 }),
      {},
      { kind: 'wait', until: noon + changeIntervalMs - 1 },
    ],
    [
      'a denied user who was changed one change interval ago is written',
      user({ ...state, changed_at: noon - changeIntervalMs }),
      {},
      denied(noon),
    ],
    [
      'a denial is superseded by a later rotation',
      user({ ...state, issued_at: noon + pause + 1 }),
      { now: noon + hour, deniedAt: noon },
      { kind: 'superseded' },
    ],
    [
      'a denial is superseded by a later change',
      user({ ...state, changed_at: noon + pause + 1 }),
      { now: noon + hour, deniedAt: noon },
      { kind: 'superseded' },
    ],
    [
      'a denial is not superseded by a rotation within the rotation pause, as a clock may be ahead',
      user({ ...state, issued_at: noon + pause }),
      {},
      denied(noon),
    ],
    [
      'a denial is not superseded by an implausible time in the far future',
      user({ ...state, issued_at: noon + 900 * hour }),
      {},
      denied(noon),
    ],
  ]
  for (const [situation, stored, { now = noon, deniedAt = now }, decision] of rows) {
    test(situation, () => {
      assert.deepEqual(
        decideDenial({ stored, subject: { fingerprint: 'denied' }, deniedAt, now, keys, rules: tableRules }),
        decision,
      )
    })
  }
})

describe('deny: a user whose groups no longer grant access', () => {
  test('a denied user loses all roles and the password, and stays enabled', async () => {
    const bed = createTestBed()
    const former = await bed.obtain(bob)
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    const { roles, metadata, enabled } = userOf(bed)
    assert.deepEqual([roles, metadata.groups, enabled, versionIn({ metadata })], [[], ['guests'], true, 2])
    assert.ok(!bed.directory.accepts(former))
    assert.deepEqual(bed.writes(), ['created', 'denied'])
  })

  test('1,000 requests of a denied user cause two reads and one write', async () => {
    const { clock, directory, obtain, deny } = createTestBed()
    await obtain(bob)
    const { get, put } = directory.calls
    for (let i = 0; i < 1000; i++) {
      deny(i % 2 === 0 ? outsider : identity({ groups: [] }))
      if (i % 100 === 0) await runPendingTasks(clock)
    }
    assert.deepEqual(directory.calls, { get: get + 2, put: put + 1, authenticate: 0 })
  })

  test('1,000 requests of a denied absent user cause one read and no write', async () => {
    const { clock, directory, deny } = createTestBed()
    for (let i = 0; i < 1000; i++) {
      deny(outsider)
      if (i % 100 === 0) await runPendingTasks(clock)
    }
    assert.deepEqual(directory.calls, { get: 1, put: 0, authenticate: 0 })
    assert.equal(directory.users.size, 0)
  })

  test('a denied user whose groups come back gets the roles and a valid password with the next request', async () => {
    const bed = createTestBed()
    await bed.obtain(bob)
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    assert.ok(bed.directory.accepts(await bed.obtain(bob)))
    assert.deepEqual(userOf(bed).roles, ['reader'])
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    assert.deepEqual(userOf(bed).roles, [], 'the next denial is carried out at once')
  })

  test('a denied user loses a password that the user has set', async () => {
    const bed = createTestBed()
    await bed.obtain(bob)
    bed.directory.users.set('bob', { ...userOf(bed), password: 'set-by-the-user' })
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    assert.notEqual(userOf(bed).password, 'set-by-the-user')
  })

  test('a denied user who is foreign, reserved or managed under an unknown key is not written', async () => {
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
      await runPendingTasks(clock)
      assert.deepEqual([directory.users.get('bob'), directory.calls.put], [user, 0])
    }
  })

  test('a denied user who is disabled between the read and the write is not written', async () => {
    const bed = createTestBed()
    await bed.obtain(bob)
    bed.directory.hooks.after = (operation) => {
      if (operation === 'get') bed.directory.users.set('bob', { ...userOf(bed), enabled: false })
    }
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    assert.deepEqual([userOf(bed).enabled, bed.directory.calls.put], [false, 1])
  })

  test('a user who is alternately allowed and denied for a minute is written at most 12 times, and every request gets a credential', async () => {
    const { clock, directory, obtain, deny } = createTestBed({ rules })
    await obtain(bob)
    const before = { ...directory.calls }
    const requests = new Set<Promise<unknown>>()
    for (let tenth = 0; tenth < 599; tenth++) {
      if (tenth % 2 === 0) deny(outsider)
      else requests.add(obtain(bob))
      await clock.advance(100)
    }
    const writes = directory.calls.put - before.put
    assert.ok(writes <= 12, `${writes} writes`)
    assert.ok(writes >= 6, `${writes} writes`)
    assert.ok(directory.calls.get - before.get <= 100, `${directory.calls.get - before.get} reads`)
    await clock.advance(minute)
    await Promise.all(requests)
  })
})

test('a denial that is requested during a superseded attempt is carried out later', async () => {
  const bed = createTestBed({ rules })
  await bed.obtain(bob)
  let isFirst = true
  bed.directory.hooks.before = async (operation) => {
    if (operation !== 'get' || !isFirst) return
    isFirst = false
    await bed.clock.sleep(10_000) // another replica admits the user meanwhile
    const user = userOf(bed)
    const elastauth = { ...Object(user.metadata.elastauth), changed_at: bed.clock.now() }
    bed.directory.users.set('bob', { ...user, metadata: { ...user.metadata, elastauth } })
    await bed.clock.sleep(10_000)
  }
  bed.deny(outsider)
  await bed.clock.advance(15_000)
  bed.deny(outsider)
  await bed.clock.advance(minute)
  assert.deepEqual(userOf(bed).roles, [])
})

describe('deny: Elasticsearch is down', () => {
  test('a denial is retried until Elasticsearch is available, and its failure is reported once', async () => {
    const bed = createTestBed()
    const former = await bed.obtain(bob)
    bed.directory.hooks.before = () => {
      throw unavailable()
    }
    bed.deny(outsider)
    await bed.clock.advance(5 * minute)
    assert.ok(bed.directory.accepts(former))
    assert.equal(bed.events.filter(({ kind }) => kind === 'denial_failed').length, 1)
    bed.directory.hooks.before = undefined
    await bed.clock.advance(minute)
    assert.deepEqual(userOf(bed).roles, [])
    assert.ok(!bed.directory.accepts(former))
  })

  test('pending denials are tried 8 at a time, and those of more than 10,000 users are dropped and reported', async () => {
    const { clock, directory, deny, events } = createTestBed()
    let [running, maxRunning] = [0, 0]
    directory.hooks.before = async () => {
      maxRunning = Math.max(maxRunning, ++running)
      await clock.sleep(100)
      running--
      throw unavailable()
    }
    for (let i = 0; i < 10_005; i++) deny(identity({ username: `user-${i}`, groups: [] }))
    await clock.advance(300)
    assert.equal(maxRunning, 8)
    assert.equal(events.filter(({ kind }) => kind === 'denial_dropped').length, 5)
  })

  test('a user who is allowed again while Elasticsearch is down keeps their roles', async () => {
    const bed = createTestBed()
    const credential = await bed.obtain(bob)
    bed.directory.hooks.before = () => {
      throw unavailable()
    }
    bed.deny(outsider)
    await bed.clock.advance(minute / 4)
    await bed.obtain(bob) // from the cache
    bed.directory.hooks.before = undefined
    await bed.clock.advance(minute)
    assert.ok(bed.directory.accepts(credential))
  })

  test('a denial is not retried after close', async () => {
    const bed = createTestBed()
    await bed.obtain(bob)
    bed.directory.hooks.before = () => {
      throw unavailable()
    }
    bed.deny(outsider)
    await runPendingTasks(bed.clock)
    bed.close()
    bed.directory.hooks.before = undefined
    await bed.clock.advance(hour)
    assert.deepEqual(userOf(bed).roles, ['reader'])
  })
})

describe('deny: three replicas', () => {
  test('with Redis, a denial is written once, and the other replicas remove their cached credential', async () => {
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

  test('without Redis, concurrent denials write the same password and no roles', async () => {
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

  test("a replica without the user's key does not deny the user", async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const foreignReplica = createReplica(directory, clock, { keys: [otherKey] })
    foreignReplica.deny(outsider)
    await runPendingTasks(clock)
    assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import type { MemoryUser } from '../../../support/memory-directory.ts'
import { unavailable } from '../../../support/memory-directory.ts'
import { createReplica, createTestBed, hour, minute, runPendingTasks, subject } from './fixture.ts'

const bob = subject()
const bobPromoted = subject({ groups: ['staff', 'admins'] }, ['admin', 'reader'])

/** A cached user whose next request starts a check. */
async function createDueTestBed(options: Parameters<typeof createTestBed>[0] = {}) {
  const bed = createTestBed(options)
  const first = await bed.obtain(bob)
  await bed.clock.advance(minute)
  const change = (more: Partial<MemoryUser>) =>
    bed.directory.users.set('bob', { ...bed.directory.users.get('bob')!, ...more })
  /** One request, and the background work that it starts. */
  const request = async () => {
    const authorization = await bed.obtain(bob)
    await runPendingTasks(bed.clock)
    return authorization
  }
  return { ...bed, first, change, request }
}

describe('revalidation of a cached credential', () => {
  test('an old credential is checked once per interval, and no request waits for the check', async () => {
    const { clock, directory, obtainNow } = await createDueTestBed()
    directory.hooks.before = () => new Promise(() => {})
    for (let i = 0; i < 100; i++) assert.ok(!(obtainNow(bob) instanceof Promise))
    assert.equal(directory.calls.authenticate, 1)
    await clock.advance(minute - 1)
    obtainNow(bob)
    assert.equal(directory.calls.authenticate, 1)
    await clock.advance(1)
    obtainNow(bob)
    assert.equal(directory.calls.authenticate, 2)
  })

  test('four checks run at a time, and the credentials of the other users stay due until a later request', async () => {
    const { clock, directory, obtain, obtainNow } = createTestBed()
    const users = Array.from({ length: 10 }, (_, i) => subject({ username: `user-${i}` }))
    for (const user of users) await obtain(user)
    await clock.advance(minute)
    let logins = Promise.withResolvers<void>()
    directory.hooks.before = () => logins.promise
    const requestAll = () => {
      for (const user of users) assert.ok(!(obtainNow(user) instanceof Promise))
    }
    const checksPerRound = []
    for (let round = 0; round < 4; round++) {
      const before = directory.calls.authenticate
      requestAll()
      requestAll()
      checksPerRound.push(directory.calls.authenticate - before)
      logins.resolve()
      await runPendingTasks(clock)
      logins = Promise.withResolvers<void>()
    }
    assert.deepEqual(checksPerRound, [4, 4, 2, 0])
  })

  test('checks that fail make room for others', async () => {
    const { clock, directory, obtain, revalidationFailures } = createTestBed()
    const users = Array.from({ length: 8 }, (_, i) => subject({ username: `user-${i}` }))
    for (const user of users) await obtain(user)
    await clock.advance(minute)
    directory.hooks.before = () => {
      throw unavailable()
    }
    for (const user of users.slice(0, 4)) await obtain(user)
    await runPendingTasks(clock)
    for (const user of users.slice(4)) await obtain(user)
    await runPendingTasks(clock)
    assert.equal(revalidationFailures(), 8)
  })

  test('a credential is checked in time even if the wall clock was set back', async () => {
    const { clock, directory, request } = await createDueTestBed()
    await request()
    clock.setBack(hour)
    await clock.advance(minute)
    await request()
    assert.equal(directory.calls.authenticate, 2)
  })

  test('a credential is not checked before the interval is over', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    await clock.advance(minute - 1)
    await obtain(bob)
    assert.equal(directory.calls.authenticate, 0)
  })

  test('a check of a credential that Elasticsearch accepts has no other effect than one login', async () => {
    const { directory, request, cache } = await createDueTestBed()
    await request()
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 1 })
    assert.equal(cache.size(), 1)
  })

  test('a user who was deleted in Elasticsearch is recreated', async () => {
    const { directory, request, writes } = await createDueTestBed()
    directory.users.delete('bob')
    await request()
    assert.ok(directory.accepts(await request()))
    assert.deepEqual(writes(), ['created', 'created'])
  })

  test('a deleted and recreated user has the same password on the same day, and another password on another day', async () => {
    const { clock, directory, first, obtain, request } = await createDueTestBed()
    directory.users.delete('bob')
    await request()
    assert.equal(await request(), first)
    await clock.advance(24 * hour)
    directory.users.delete('bob')
    const recreated = await obtain(bob)
    assert.notEqual(recreated, first)
    assert.ok(directory.accepts(recreated))
    assert.deepEqual(
      directory.written.map(({ metadata }) => (metadata.elastauth as ManagedState).version),
      [1, 1, 1],
    )
  })

  test('a password that was changed in Elasticsearch is replaced by the next version', async () => {
    const { directory, change, first, request, writes } = await createDueTestBed()
    change({ password: 'changed in Kibana' })
    await request()
    const reissued = await request()
    assert.notEqual(reissued, first)
    assert.ok(directory.accepts(reissued))
    assert.deepEqual(writes(), ['created', 'healed'])
  })

  test('a password that is changed constantly is replaced at most once in 10 s', async () => {
    const { clock, change, request, writes } = await createDueTestBed({ revalidateAfterMs: 100 })
    for (let tenths = 0; tenths < 95; tenths++) {
      change({ password: 'changed again' })
      await request()
      await clock.advance(100)
    }
    assert.deepEqual(writes(), ['created', 'healed'])
    await clock.advance(1000)
    change({ password: 'changed again' })
    await request()
    assert.deepEqual(writes(), ['created', 'healed', 'healed'])
  })

  test('a password that is changed again after 10 s is replaced even if the wall clock was set back', async () => {
    const { clock, change, request, writes } = await createDueTestBed({ revalidateAfterMs: 1000 })
    change({ password: 'changed in Kibana' })
    await request()
    clock.setBack(hour / 2)
    await clock.advance(10_000)
    change({ password: 'changed again' })
    await request()
    assert.deepEqual(writes(), ['created', 'healed', 'healed'])
  })

  test('the replacement of a rejected password does not share the result of a concurrent read', async () => {
    const { clock, directory, change, obtain, cache, writes } = await createDueTestBed()
    change({ password: 'changed in Kibana' })
    const [secondLogin, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    directory.hooks.after = (operation) => {
      if (operation === 'authenticate' && directory.calls.authenticate === 2) return secondLogin.promise
      return operation === 'get' && directory.calls.get === 3 ? read.promise : undefined
    }
    await obtain(bob) // starts the check, which is about to reissue the password
    await runPendingTasks(clock)
    cache.delete('bob')
    const adopted = obtain(bob) // reads the user meanwhile, and does not know that the password is rejected
    await runPendingTasks(clock)
    secondLogin.resolve()
    await runPendingTasks(clock)
    read.resolve()
    await adopted
    await runPendingTasks(clock)
    assert.deepEqual(writes(), ['created', 'healed'])
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('rejected passwords of two users are replaced at the same time', async () => {
    const { clock, directory, obtain, change, request, writes } = await createDueTestBed()
    const carol = subject({ username: 'carol' })
    await obtain(carol)
    await clock.advance(minute)
    change({ password: 'x' })
    directory.users.set('carol', { ...directory.users.get('carol')!, password: 'x' })
    await Promise.all([request(), obtain(carol)])
    await runPendingTasks(clock)
    assert.deepEqual(writes(), ['created', 'created', 'healed', 'healed'])
  })

  test('reissues in the background run four at a time, and once for each user', async () => {
    const { clock, directory, obtain, obtainNow, reissueInBackground, writes } = createTestBed()
    const users = Array.from({ length: 6 }, (_, i) => subject({ username: `user-${i}` }))
    for (const user of users) await obtain(user)
    for (const [username, user] of directory.users) directory.users.set(username, { ...user, password: 'x' })
    const rejected = users.map((user) => obtainNow(user) as { authorization: string })
    const reissueAll = () => {
      for (const [i, user] of users.entries()) reissueInBackground(user, rejected[i]!)
    }
    reissueAll()
    reissueAll()
    assert.equal(directory.calls.get, 6 + 4)
    await runPendingTasks(clock)
    assert.deepEqual(writes().slice(6), Array(4).fill('healed'))
    reissueAll()
    await runPendingTasks(clock)
    assert.deepEqual(writes().slice(6), Array(6).fill('healed'))
  })

  test('a rejected password that another replica has already replaced is adopted without a second write', async () => {
    const { clock, directory, change, request, obtain, writes } = await createDueTestBed()
    const other = createReplica(directory, clock)
    await other.obtain(bob)
    await clock.advance(minute)
    change({ password: 'changed in Kibana' })
    await other.obtain(bob)
    await runPendingTasks(clock)
    await request()
    assert.deepEqual([...writes(), ...other.writes()], ['created', 'healed'])
    assert.equal(await obtain(bob), await other.obtain(bob))
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('a user who was disabled in Elasticsearch is removed from the cache, rejected at the next request, and not written', async () => {
    const { directory, change, obtain, request, cache } = await createDueTestBed()
    change({ enabled: false })
    await request()
    assert.equal(cache.size(), 0)
    await assert.rejects(obtain(bob), { code: 'user_disabled', username: 'bob' })
    assert.equal(directory.calls.put, 1)
    assert.equal(directory.users.get('bob')?.enabled, false)
  })

  test('a user who is disabled just after a reissue is removed from the cache by the next check', async () => {
    const { clock, change, request, cache } = await createDueTestBed({ revalidateAfterMs: 1000 })
    change({ password: 'x' })
    await request()
    change({ enabled: false })
    await clock.advance(1000)
    await request()
    assert.equal(cache.size(), 0)
  })

  test('a user who became foreign is removed from the cache, and rejected at the next request', async () => {
    const { change, obtain, request, cache } = await createDueTestBed()
    change({ metadata: {} })
    await request()
    assert.equal(cache.size(), 0)
    await assert.rejects(obtain(bob), { code: 'user_foreign' })
  })

  test('a user is left alone if Elasticsearch rejects the service account as well', async () => {
    const { directory, change, first, request, cache, revalidationFailures } = await createDueTestBed()
    change({ password: 'a starting node rejects all logins' })
    directory.hooks.before = (operation) => {
      if (operation !== 'authenticate') throw unavailable()
    }
    assert.equal(await request(), first)
    assert.equal(await request(), first)
    assert.equal(cache.size(), 1)
    assert.equal(directory.calls.put, 1)
    assert.equal(revalidationFailures(), 1)
  })

  test('a user is not written if the second login is accepted, as by a starting node', async () => {
    const { directory, change, first, request } = await createDueTestBed()
    const { password } = directory.users.get('bob')!
    change({ password: 'not yet there' })
    directory.hooks.after = (operation) => {
      if (operation === 'get') change({ password })
    }
    assert.equal(await request(), first)
    assert.equal(directory.calls.put, 1)
    assert.equal(directory.calls.authenticate, 2)
  })

  test('a check that fails while Elasticsearch is down is reported, and the user keeps the credential', async () => {
    const { directory, first, request, events } = await createDueTestBed()
    const error = unavailable()
    directory.hooks.before = () => {
      throw error
    }
    assert.equal(await request(), first)
    assert.deepEqual(events.at(-1), { kind: 'revalidation_failed', username: 'bob', error })
  })

  test('a user whose groups another replica has changed is removed from the cache, and read at the next request', async () => {
    const { clock, directory, first, obtain, request, cache } = await createDueTestBed()
    await createReplica(directory, clock).obtain(bobPromoted)
    assert.equal(await request(), first)
    assert.equal(cache.size(), 0)
    assert.equal(await obtain(bob), first)
    assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
  })

  test('a check does not remove a credential that was cached during it', async () => {
    const { clock, directory, obtain, change, cache } = await createDueTestBed()
    const login = Promise.withResolvers<void>()
    directory.hooks.after = (operation) => (operation === 'authenticate' ? login.promise : undefined)
    change({
      metadata: { elastauth: { ...(directory.users.get('bob')!.metadata.elastauth as object), fingerprint: 'x' } },
    })
    await obtain(bob)
    await obtain(bobPromoted)
    const cached = cache.get('bob')
    login.resolve()
    await runPendingTasks(clock)
    assert.ok(cached !== undefined)
    assert.equal(cache.get('bob'), cached)
  })

  test('roles that were changed in Elasticsearch are restored', async () => {
    const { clock, directory, change, first, request, cache } = await createDueTestBed()
    for (const roles of [['superuser'], ['reader', 'superuser'], []]) {
      change({ roles })
      await clock.advance(minute)
      await request()
      assert.equal(cache.size(), 0)
      assert.equal(await request(), first)
      assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
    }
  })

  test('a check extends the password of an active user', async () => {
    const { clock, directory, first, request, writes } = await createDueTestBed({ rules: { extend: true } })
    await clock.advance(hour / 2)
    assert.equal(await request(), first)
    assert.deepEqual(writes(), ['created', 'extended'])
    assert.ok(directory.accepts(first))
  })

  test("a replica learns of another replica's extension at its own expiry, without a write or a pause", async () => {
    const { clock, directory, first, obtain } = await createDueTestBed({
      rules: { extend: true },
      revalidateAfterMs: 2 * hour,
    })
    const other = createReplica(directory, clock, { rules: { extend: true } })
    await other.obtain(bob)
    await clock.advance(hour / 2)
    await other.obtain(bob)
    await runPendingTasks(clock)
    assert.deepEqual(other.writes(), ['extended'])
    await clock.advance(hour / 2)
    assert.equal(await obtain(bob), first)
    assert.equal(directory.calls.put, 2)
  })
})

test('a credential that elastauth did not issue is not replaced after a 401, even for a user with a cached one', async () => {
  const { reissue, obtain } = createTestBed()
  await obtain(bob)
  assert.equal(await reissue(bob, { authorization: 'ApiKey eDp5' }), undefined)
})

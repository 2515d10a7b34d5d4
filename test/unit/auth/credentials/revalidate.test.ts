import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import type { MemoryUser } from '../../../support/memory-directory.ts'
import { unavailable } from '../../../support/memory-directory.ts'
import { createReplica, createTestBed, hour, minute, settle, subject } from './fixture.ts'

const bob = subject()
const bobPromoted = subject({ groups: ['staff', 'admins'] }, ['admin', 'reader'])

/** A user in the cache whose next request sets off a check. */
async function createDueWorld(options: Parameters<typeof createTestBed>[0] = {}) {
  const world = createTestBed(options)
  const first = await world.obtain(bob)
  await world.clock.advance(minute)
  const change = (more: Partial<MemoryUser>) =>
    world.directory.users.set('bob', { ...world.directory.users.get('bob')!, ...more })
  /** One request, and all that it sets off in the background. */
  const request = async () => {
    const authorization = await world.obtain(bob)
    await settle(world.clock)
    return authorization
  }
  return { ...world, first, change, request }
}

describe('a cached credential is checked in the background', () => {
  test('once it is old enough, once per interval, and never keeps a request waiting', async () => {
    const { clock, directory, obtainNow } = await createDueWorld()
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

  test('at its time even if the clock was set back', async () => {
    const { clock, directory, request } = await createDueWorld()
    await request()
    clock.setBack(hour)
    await clock.advance(minute)
    await request()
    assert.equal(directory.calls.authenticate, 2)
  })

  test('not before', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    await clock.advance(minute - 1)
    await obtain(bob)
    assert.equal(directory.calls.authenticate, 0)
  })

  test('still good: nothing else happens', async () => {
    const { directory, request, cache } = await createDueWorld()
    await request()
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 1 })
    assert.equal(cache.size(), 1)
  })

  test('somebody deleted the user: made anew', async () => {
    const { directory, request, writes } = await createDueWorld()
    directory.users.delete('bob')
    await request()
    assert.ok(directory.accepts(await request()))
    assert.deepEqual(writes(), ['created', 'created'])
  })

  test('a user who is deleted and made anew has the same password on the same day, another on another day', async () => {
    const { clock, directory, first, obtain, request } = await createDueWorld()
    directory.users.delete('bob')
    await request()
    assert.equal(await request(), first)
    await clock.advance(24 * hour)
    directory.users.delete('bob')
    const anew = await obtain(bob)
    assert.notEqual(anew, first)
    assert.ok(directory.accepts(anew))
    assert.deepEqual(
      directory.written.map(({ metadata }) => (metadata.elastauth as ManagedState).version),
      [1, 1, 1],
    )
  })

  test('somebody changed the password: healed with the next version', async () => {
    const { directory, change, first, request, writes } = await createDueWorld()
    change({ password: 'changed in Kibana' })
    await request()
    const healed = await request()
    assert.notEqual(healed, first)
    assert.ok(directory.accepts(healed))
    assert.deepEqual(writes(), ['created', 'healed'])
  })

  test('somebody who changes the password all the time is answered at most once per 10 s', async () => {
    const { clock, change, request, writes } = await createDueWorld({ revalidateAfterMs: 100 })
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

  test('a password that is changed again 10 s later is healed even if the clock was set back', async () => {
    const { clock, change, request, writes } = await createDueWorld({ revalidateAfterMs: 1000 })
    change({ password: 'changed in Kibana' })
    await request()
    clock.setBack(hour / 2)
    await clock.advance(10_000)
    change({ password: 'changed again' })
    await request()
    assert.deepEqual(writes(), ['created', 'healed', 'healed'])
  })

  test('healing does not take the result of a flight that only reads', async () => {
    const { clock, directory, change, obtain, cache, writes } = await createDueWorld()
    change({ password: 'changed in Kibana' })
    const [secondLook, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    directory.hooks.after = (operation) => {
      if (operation === 'authenticate' && directory.calls.authenticate === 2) return secondLook.promise
      return operation === 'get' && directory.calls.get === 3 ? read.promise : undefined
    }
    await obtain(bob) // sets off the check, which is about to heal
    await settle(clock)
    cache.delete('bob')
    const adopted = obtain(bob) // reads the user meanwhile, and cannot know that its password is dead
    await settle(clock)
    secondLook.resolve()
    await settle(clock)
    read.resolve()
    await adopted
    await settle(clock)
    assert.deepEqual(writes(), ['created', 'healed'])
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('one user’s healing does not hold up another’s', async () => {
    const { clock, directory, obtain, change, request, writes } = await createDueWorld()
    const carol = subject({ username: 'carol' })
    await obtain(carol)
    await clock.advance(minute)
    change({ password: 'x' })
    directory.users.set('carol', { ...directory.users.get('carol')!, password: 'x' })
    await Promise.all([request(), obtain(carol)])
    await settle(clock)
    assert.deepEqual(writes(), ['created', 'created', 'healed', 'healed'])
  })

  test('another replica healed first: its password is taken, no second write', async () => {
    const { clock, directory, change, request, obtain, writes } = await createDueWorld()
    const other = createReplica(directory, clock)
    await other.obtain(bob)
    await clock.advance(minute)
    change({ password: 'changed in Kibana' })
    await other.obtain(bob)
    await settle(clock)
    await request()
    assert.deepEqual([...writes(), ...other.writes()], ['created', 'healed'])
    assert.equal(await obtain(bob), await other.obtain(bob))
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('somebody disabled the user: the entry goes, the next request is refused, nothing is written', async () => {
    const { directory, change, obtain, request, cache } = await createDueWorld()
    change({ enabled: false })
    await request()
    assert.equal(cache.size(), 0)
    await assert.rejects(obtain(bob), { code: 'user_disabled', username: 'bob' })
    assert.equal(directory.calls.put, 1)
    assert.equal(directory.users.get('bob')?.enabled, false)
  })

  test('somebody disabled a user that was healed a moment ago: refused as soon', async () => {
    const { clock, change, request, cache } = await createDueWorld({ revalidateAfterMs: 1000 })
    change({ password: 'x' })
    await request()
    change({ enabled: false })
    await clock.advance(1000)
    await request()
    assert.equal(cache.size(), 0)
  })

  test('somebody else took the user over: the entry goes, the next request is refused', async () => {
    const { change, obtain, request, cache } = await createDueWorld()
    change({ metadata: {} })
    await request()
    assert.equal(cache.size(), 0)
    await assert.rejects(obtain(bob), { code: 'user_foreign' })
  })

  test('our service account is refused too: nothing happens to the user', async () => {
    const { directory, change, first, request, cache, revalidationFailures } = await createDueWorld()
    change({ password: 'a node that has just started refuses everybody' })
    directory.hooks.before = (operation) => {
      if (operation !== 'authenticate') throw unavailable()
    }
    assert.equal(await request(), first)
    assert.equal(await request(), first)
    assert.equal(cache.size(), 1)
    assert.equal(directory.calls.put, 1)
    assert.equal(revalidationFailures(), 1)
  })

  test('refused once, accepted at the second look: the node was starting, nothing is written', async () => {
    const { directory, change, first, request } = await createDueWorld()
    const { password } = directory.users.get('bob')!
    change({ password: 'not yet there' })
    directory.hooks.after = (operation) => {
      if (operation === 'get') change({ password })
    }
    assert.equal(await request(), first)
    assert.equal(directory.calls.put, 1)
    assert.equal(directory.calls.authenticate, 2)
  })

  test('Elasticsearch is down: the user keeps working, and it is reported', async () => {
    const { directory, first, request, events } = await createDueWorld()
    const error = unavailable()
    directory.hooks.before = () => {
      throw error
    }
    assert.equal(await request(), first)
    assert.deepEqual(events.at(-1), { kind: 'revalidation_failed', username: 'bob', error })
  })

  test('another replica changed the groups: the entry goes, the next request reads', async () => {
    const { clock, directory, first, obtain, request, cache } = await createDueWorld()
    await createReplica(directory, clock).obtain(bobPromoted)
    assert.equal(await request(), first)
    assert.equal(cache.size(), 0)
    assert.equal(await obtain(bob), first)
    assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
  })

  test('what came into the cache meanwhile is not thrown out', async () => {
    const { clock, directory, obtain, change, cache } = await createDueWorld()
    const hold = Promise.withResolvers<void>()
    directory.hooks.after = (operation) => (operation === 'authenticate' ? hold.promise : undefined)
    change({
      metadata: { elastauth: { ...(directory.users.get('bob')!.metadata.elastauth as object), fingerprint: 'x' } },
    })
    await obtain(bob)
    await obtain(bobPromoted)
    const now = cache.get('bob')
    hold.resolve()
    await settle(clock)
    assert.ok(now !== undefined)
    assert.equal(cache.get('bob'), now)
  })

  test('somebody changed the roles in Elasticsearch: given back', async () => {
    const { clock, directory, change, first, request, cache } = await createDueWorld()
    for (const roles of [['superuser'], ['reader', 'superuser'], []]) {
      change({ roles })
      await clock.advance(minute)
      await request()
      assert.equal(cache.size(), 0)
      assert.equal(await request(), first)
      assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
    }
  })

  test('extending: an active user’s end is pushed on without another password', async () => {
    const { clock, directory, first, request, writes } = await createDueWorld({ rules: { extend: true } })
    await clock.advance(hour / 2)
    assert.equal(await request(), first)
    assert.deepEqual(writes(), ['created', 'extended'])
    assert.ok(directory.accepts(first))
  })

  test('another replica extended: this one learns of it at its own end, without a write or a pause', async () => {
    const { clock, directory, first, obtain } = await createDueWorld({
      rules: { extend: true },
      revalidateAfterMs: 2 * hour,
    })
    const other = createReplica(directory, clock, { rules: { extend: true } })
    await other.obtain(bob)
    await clock.advance(hour / 2)
    await other.obtain(bob)
    await settle(clock)
    assert.deepEqual(other.writes(), ['extended'])
    await clock.advance(hour / 2)
    assert.equal(await obtain(bob), first)
    assert.equal(directory.calls.put, 2)
  })
})

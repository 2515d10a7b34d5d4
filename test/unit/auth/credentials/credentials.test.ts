import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import { keyIdOf } from '../../../../src/auth/credentials/password.ts'
import { createDryRunUsers } from '../../../../src/es/users.ts'
import type { GatewayError } from '../../../../src/http/errors.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { createMemoryUser, unavailable } from '../../../support/memory-directory.ts'
import {
  createReplica,
  createTestBed,
  hour,
  key,
  minute,
  noon,
  otherKey,
  passwordIn,
  pause,
  runPendingTasks,
  subject,
} from './fixture.ts'

const bob = subject()
const bobPromoted = subject({ groups: ['staff', 'admins'] }, ['admin', 'reader'])
const stateOf = (metadata: Readonly<Record<string, unknown>> | undefined) => metadata?.elastauth as ManagedState

describe('obtain: the first request of a user', () => {
  test('obtain creates an absent user in Elasticsearch, which accepts the credential', async () => {
    const { directory, obtain, writes } = createTestBed()
    const authorization = await obtain(subject({ name: 'Bob', email: 'bob@example.com' }))
    assert.ok(directory.accepts(authorization))
    assert.deepEqual(writes(), ['created'])
    const { password, metadata, ...rest } = directory.written[0]!
    assert.equal(password, passwordIn(authorization))
    assert.deepEqual(rest, { username: 'bob', roles: ['reader'], full_name: 'Bob', email: 'bob@example.com' })
    assert.deepEqual(metadata.groups, ['staff'])
    assert.deepEqual(
      { ...stateOf(metadata), fingerprint: '' },
      {
        created: '2026-11-23',
        version: 1,
        key_id: stateOf(metadata).key_id,
        issued_at: noon,
        fingerprint: '',
      },
    )
  })

  test('1,000 concurrent first requests of a user cause one read and one write, and all get the same credential', async () => {
    const { directory, obtain } = createTestBed()
    const all = await Promise.all(Array.from({ length: 1000 }, () => obtain(bob)))
    assert.equal(new Set(all).size, 1)
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 0 })
  })

  test('1,000 concurrent first requests on each of three replicas write the same password, and Elasticsearch accepts every credential', async () => {
    const { clock, directory } = createTestBed()
    const replicas = [
      createReplica(directory, clock),
      createReplica(directory, clock, { clockAheadMs: pause }),
      createReplica(directory, clock),
    ]
    const all = await Promise.all(
      replicas.flatMap((replica) => Array.from({ length: 1000 }, () => replica.obtain(bob))),
    )
    assert.equal(new Set(all).size, 1)
    assert.equal(new Set(directory.written.map(({ password }) => password)).size, 1)
    assert.ok(directory.accepts(all[0]!))
    assert.ok(directory.calls.put <= 3)
  })

  test('500 concurrent users each get their own credential', async () => {
    const { clock, directory, obtain } = createTestBed({ maxEntries: 50 })
    directory.hooks.before = (_, username) => clock.sleep(username.length % 3)
    const names = Array.from({ length: 500 }, (_, i) => `user-${i}`)
    const all = Promise.all(
      names
        .flatMap((username) => [username, username])
        .map(async (username) => [username, await obtain(subject({ username }))] as const),
    )
    await clock.advance(100)
    for (const [username, authorization] of await all) {
      assert.equal(Buffer.from(authorization.slice(6), 'base64').toString().split(':')[0], username)
      assert.ok(directory.accepts(authorization))
    }
  })

  test('the second request of a user gets the cached credential synchronously', async () => {
    const { directory, obtain, obtainNow, events } = createTestBed()
    const first = await obtain(bob)
    const second = obtainNow(bob)
    assert.ok(!(second instanceof Promise))
    assert.equal(second.authorization, first)
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 0 })
    assert.deepEqual(
      events.flatMap((event) => (event.kind === 'cache' ? [event.result] : [])),
      ['miss', 'hit'],
    )
  })

  test('another replica adopts an existing user without a write', async () => {
    const { clock, directory, obtain } = createTestBed()
    const first = await obtain(bob)
    const later = createReplica(directory, clock)
    assert.equal(await later.obtain(bob), first)
    assert.deepEqual(directory.calls, { get: 2, put: 1, authenticate: 0 })
  })

  test('first requests just before midnight wait for the new day, then all replicas issue the same password', async () => {
    const { clock, directory } = createTestBed()
    await clock.advance(12 * hour - 300)
    const behind = createReplica(directory, clock)
    const ahead = createReplica(directory, clock, { clockAheadMs: 600 })
    const both = Promise.all([behind.obtain(bob), ahead.obtain(bob)])
    await clock.advance(pause)
    assert.equal(new Set(await both).size, 1)
    assert.ok(directory.written.every(({ metadata }) => stateOf(metadata).created === '2026-11-24'))
  })
})

describe('obtain: changed groups', () => {
  test('a request with changed groups writes the user once and keeps the password', async () => {
    const { directory, obtain, writes } = createTestBed()
    const before = await obtain(bob)
    assert.equal(await obtain(bobPromoted), before)
    assert.deepEqual(writes(), ['created', 'changed'])
    assert.deepEqual(directory.users.get('bob')?.roles, ['admin', 'reader'])
    assert.deepEqual(directory.users.get('bob')?.metadata.groups, ['staff', 'admins'])
    assert.equal(directory.calls.get, 3, 'one to create, one to decide on the change, one just before its write')
  })

  test('a removed group is removed from Elasticsearch before the request is served', async () => {
    const { directory, obtain } = createTestBed()
    await obtain(bobPromoted)
    await obtain(bob)
    assert.deepEqual(directory.users.get('bob')?.roles, ['reader'])
  })

  test('a changed name or email alone causes no call, and is written with the next rotation', async () => {
    const { clock, directory, obtain, writes } = createTestBed({ revalidateAfterMs: 2 * hour })
    const first = await obtain(subject({ name: 'Bob', email: 'bob@example.com' }))
    for (let i = 0; i < 1000; i++) {
      assert.equal(await obtain(bob), first)
      assert.equal(await obtain(subject({ name: 'Bob', email: 'bob@example.com' })), first)
    }
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 0 })
    await clock.advance(hour + pause)
    await obtain(bob)
    assert.deepEqual([directory.users.get('bob')?.full_name, directory.users.get('bob')?.email], [null, null])
    assert.deepEqual(writes(), ['created', 'rotated'])
  })

  test('a request with another name on another replica causes one read and no write', async () => {
    const { clock, directory, obtain } = createTestBed()
    const first = await obtain(subject({ name: 'Bob' }))
    const other = createReplica(directory, clock)
    assert.equal(await other.obtain(subject({ name: 'Robert' })), first)
    assert.deepEqual(directory.calls, { get: 2, put: 1, authenticate: 0 })
  })

  test('alternating between two sets of groups for a minute causes at most 12 changes, with one replica or three', async () => {
    for (const count of [1, 3]) {
      const { clock, directory } = createTestBed()
      const replicas = Array.from({ length: count }, () =>
        createReplica(directory, clock, { rules: { changeIntervalMs: 5000 } }),
      )
      for (const { obtain } of replicas) await obtain(bob)
      const before = directory.calls.put
      const requests = new Set<Promise<unknown>>()
      for (let tenth = 0; tenth < 599; tenth++) {
        const request = replicas[tenth % count]!.obtain(tenth % 2 === 0 ? bobPromoted : bob)
        requests.add(request)
        request.then((authorization) => assert.ok(directory.accepts(authorization)))
        await clock.advance(100)
      }
      const changes = directory.calls.put - before
      assert.ok(changes <= 12 * count, `${changes} changes by ${count} replicas`)
      const times = new Set(directory.written.map(({ metadata }) => Object(metadata.elastauth).changed_at))
      assert.ok(times.size - 1 <= 12, `${times.size - 1} moments of change`)
      await clock.advance(minute)
      await Promise.all(requests)
    }
  })

  test('concurrent requests of one user with different groups get a credential once their own roles are stored', async () => {
    const { directory, obtain } = createTestBed()
    const rolesAt = async (who: typeof bob) => {
      const authorization = await obtain(who)
      return [who.roles, directory.users.get('bob')?.roles, directory.accepts(authorization)]
    }
    const results = await Promise.all([bob, bobPromoted, bob, bobPromoted, bob].map(rolesAt))
    for (const [, , isAccepted] of results) assert.equal(isAccepted, true)
    // The last write determines the roles; no write mixes the two.
    for (const { roles, metadata } of directory.written) {
      const isPromoted = roles.includes('admin')
      assert.deepEqual(metadata.groups, isPromoted ? ['staff', 'admins'] : ['staff'])
      assert.equal(stateOf(metadata).fingerprint, (isPromoted ? bobPromoted : bob).fingerprint)
    }
    assert.ok(directory.calls.put <= 5)
  })

  test('changed groups just before a password expires wait for the rotation and are written with it', async () => {
    const { clock, directory, obtain, writes } = createTestBed()
    await obtain(bob)
    await clock.advance(hour - pause)
    const promoted = obtain(bobPromoted)
    await clock.advance(2 * pause - 1)
    assert.deepEqual(writes(), ['created'])
    await clock.advance(1)
    assert.ok(directory.accepts(await promoted))
    assert.deepEqual(writes(), ['created', 'rotated'])
  })
})

describe('obtain: rotation', () => {
  test('requests during the rotation pause wait for the new password, which is written once', async () => {
    const { clock, directory, obtain, writes } = createTestBed()
    const before = await obtain(bob)
    await clock.advance(hour)
    const waiting = Promise.all(Array.from({ length: 100 }, () => obtain(bob)))
    await clock.advance(pause - 1)
    assert.ok(directory.accepts(before), 'requests in flight still carry it')
    await clock.advance(1)
    const [after, ...others] = new Set(await waiting)
    assert.deepEqual(others, [])
    assert.notEqual(after, before)
    assert.ok(directory.accepts(after!))
    assert.ok(!directory.accepts(before))
    assert.deepEqual(writes(), ['created', 'rotated'])
  })

  test('a password is handed out in its last millisecond, and not at its expiry', async () => {
    const { clock, obtain, obtainNow } = createTestBed({ revalidateAfterMs: 2 * hour })
    await obtain(bob)
    clock.skip(hour - 1)
    assert.ok(!(obtainNow(bob) instanceof Promise))
    clock.skip(1)
    const late = obtainNow(bob)
    assert.ok(late instanceof Promise)
    await clock.advance(pause)
    await late
  })

  test('two replicas whose clocks differ by the rotation pause rotate to the same password', async () => {
    const { clock, directory } = createTestBed()
    const replicas = [createReplica(directory, clock), createReplica(directory, clock, { clockAheadMs: pause })]
    const both = () => Promise.all(replicas.map(({ obtain }) => obtain(bob)))
    await both()
    await clock.advance(hour + 2 * pause)
    const rotated = both()
    await clock.advance(2 * pause)
    assert.equal(new Set(await rotated).size, 1)
    assert.ok(directory.accepts((await rotated)[0]!))
    assert.equal(stateOf(directory.users.get('bob')?.metadata).version, 2)
  })

  test('a write that lands after its password has expired is followed by a fresh read and decision', async () => {
    const { clock, directory, obtain, writes } = createTestBed()
    directory.hooks.before = (operation) => {
      if (operation === 'put' && directory.calls.put === 1) clock.skip(hour)
    }
    const obtained = obtain(bob)
    await clock.advance(pause)
    assert.ok(directory.accepts(await obtained))
    assert.deepEqual(writes(), ['created', 'rotated'])
  })

  test("a late write that undoes another replica's rotation is repaired before its credential is handed out", async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const quick = createReplica(directory, clock)
    const write = Promise.withResolvers<void>()
    directory.hooks.before = (operation) =>
      operation === 'put' && directory.calls.put === 2 ? write.promise : undefined
    const slow = obtain(bobPromoted) // decided on version 1, and delayed on its way
    await clock.advance(hour + pause)
    const rotated = await quick.obtain(bob)
    assert.ok(directory.accepts(rotated))
    write.resolve() // arrives now, and restores version 1
    await clock.advance(pause)
    assert.ok(directory.accepts(await slow))
    assert.deepEqual(directory.users.get('bob')?.roles, bobPromoted.roles)
    assert.equal(stateOf(directory.users.get('bob')?.metadata).version, 2)
    assert.equal(await slow, rotated)
  })

  test('writes that always arrive late end in elasticsearch_unavailable, not in a loop', async () => {
    const { clock, directory, obtain } = createTestBed()
    directory.hooks.before = (operation) => (operation === 'put' ? clock.skip(hour + pause) : undefined)
    await assert.rejects(obtain(bob), { code: 'elasticsearch_unavailable', username: 'bob' })
    assert.ok(directory.calls.put < 20)
  })

  test('users keep the password of the previous key until their next rotation', async () => {
    const { clock, directory, obtain } = createTestBed()
    const before = await obtain(bob)
    const next = createReplica(directory, clock, { keys: [otherKey, key] })
    assert.equal(await next.obtain(bob), before)
    assert.equal(directory.calls.put, 1)
    await clock.advance(hour + pause)
    const after = await next.obtain(bob)
    assert.ok(directory.accepts(after))
    assert.notEqual(stateOf(directory.written[1]?.metadata).key_id, stateOf(directory.written[0]?.metadata).key_id)
  })

  test('a user managed under a key that was removed from the configuration gets a new password at once', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const next = createReplica(directory, clock, { keys: [otherKey] })
    assert.ok(directory.accepts(await next.obtain(bob)))
    assert.deepEqual(next.writes(), ['rekeyed'])
  })
})

describe('obtain: an administrator disables the user', () => {
  test('a user who is disabled between the read and the write is not written, and the request is rejected', async () => {
    for (const requested of [bobPromoted, bob]) {
      const { clock, directory, obtain } = createTestBed()
      await obtain(bob)
      if (requested === bob) await clock.advance(hour + pause) // a rotation
      directory.hooks.after = (operation) => {
        const user = directory.users.get('bob')!
        if (operation === 'get') directory.users.set('bob', { ...user, enabled: false })
      }
      await assert.rejects(obtain(requested), { code: 'user_disabled' })
      assert.equal(directory.users.get('bob')?.enabled, false)
      assert.equal(directory.calls.put, 1)
    }
  })

  test('at most one of 200 disables is undone while two sets of groups alternate and each write takes 50 ms to arrive', async () => {
    const { clock, directory, obtain } = createTestBed({ rules: { changeIntervalMs: 5000 } })
    await obtain(bob)
    directory.hooks.before = (operation) => (operation === 'put' ? clock.sleep(50) : undefined)
    let undone = 0
    for (let time = 0; time < 200; time++) {
      const pending = [bobPromoted, bob].map((who) => obtain(who).catch(() => {}))
      await clock.advance(7)
      directory.users.set('bob', { ...directory.users.get('bob')!, enabled: false })
      await clock.advance(13)
      if (directory.users.get('bob')!.enabled) undone++
      directory.users.set('bob', { ...directory.users.get('bob')!, enabled: true })
      void pending
    }
    assert.ok(undone <= 1, `${undone} of 200 undone`)
  })
})

describe('obtain: two installations with different keys', () => {
  test('a second installation takes a user over once and reports both keys, and the first installation rejects the user and writes nothing', async () => {
    const { clock, directory, obtain, writes, events } = createTestBed()
    await obtain(bob)
    const second = createReplica(directory, clock, { keys: [otherKey] })
    const taken = await second.obtain(bob)
    assert.deepEqual(
      second.events.flatMap((event) => (event.kind === 'written' ? [event.keyIds] : [])),
      [{ former: keyIdOf(key), current: keyIdOf(otherKey) }],
    )
    await clock.advance(minute)
    await obtain(bob) // still from the cache, and triggers the check that detects the takeover
    await runPendingTasks(clock)
    for (let i = 0; i < 20; i++) {
      await assert.rejects(obtain(bob), ({ code, detail }: GatewayError) => {
        assert.equal(code, 'key_conflict')
        return detail.includes(keyIdOf(key)) && detail.includes(keyIdOf(otherKey))
      })
      assert.equal(await second.obtain(bob), taken)
      await clock.advance(minute / 2)
      await runPendingTasks(clock)
    }
    assert.ok(directory.accepts(taken))
    assert.deepEqual([writes(), second.writes()], [['created'], ['rekeyed']])
    assert.ok(events.filter(({ kind }) => kind === 'key_conflict').length >= 20)
  })

  test('a user who alternates between two installations for an hour is taken over at most once by each', async () => {
    const { clock, directory, obtain, writes } = createTestBed()
    const second = createReplica(directory, clock, { keys: [otherKey] })
    for (let i = 0; i < 59; i++) {
      await Promise.allSettled([obtain(bob)])
      await Promise.allSettled([second.obtain(bob)])
      await clock.advance(minute)
      await runPendingTasks(clock)
    }
    assert.deepEqual([writes(), second.writes()], [['created'], ['rekeyed']])
  })

  test('a process that restarts with another key takes the users over', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const restarted = createReplica(directory, clock, { keys: [otherKey] })
    assert.ok(directory.accepts(await restarted.obtain(bob)))
  })

  test('setting the clock back blocks no user for longer than cache.expiration', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    await createReplica(directory, clock, { keys: [otherKey] }).obtain(bob)
    clock.setBack(24 * hour)
    await clock.advance(2 * hour)
    await obtain(bob) // still from the cache, and triggers the check that detects the takeover
    await runPendingTasks(clock)
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('with `rekey: never`, a user managed under an unknown key is rejected at once and not written', async () => {
    const { clock, directory, obtain } = createTestBed()
    const first = await obtain(bob)
    const strict = createReplica(directory, clock, { keys: [otherKey], rules: { rekey: 'never' } })
    await assert.rejects(strict.obtain(bob), { code: 'key_conflict' })
    assert.ok(directory.accepts(first))
    assert.equal(directory.calls.put, 1)
  })

  test('an invalid key id does not reach the log', async () => {
    const { directory, obtain } = createTestBed({ rules: { rekey: 'never' } })
    const elastauth = { created: '2026-11-23', version: 1, key_id: 'x\nforged line', issued_at: noon, fingerprint: '' }
    directory.users.set('bob', createMemoryUser({ metadata: { elastauth } }))
    await assert.rejects(obtain(bob), ({ detail }: GatewayError) => !detail.includes('forged'))
  })
})

describe('obtain: extend_cache', () => {
  test('an active user keeps the password past its first expiry with extend_cache', async () => {
    const { clock, directory, obtain, writes } = createTestBed({ rules: { extend: true } })
    const first = await obtain(bob)
    for (let quarter = 0; quarter < 16; quarter++) {
      await clock.advance(hour / 4)
      assert.equal(await obtain(bob), first)
      await runPendingTasks(clock)
    }
    assert.ok(directory.accepts(first))
    assert.ok(writes().includes('extended'))
    assert.equal(new Set(directory.written.map(({ password }) => password)).size, 1)
  })

  test('extend_cache keeps a password for at most 24 h after it was issued', async () => {
    const { clock, directory, obtain } = createTestBed({ rules: { extend: true } })
    const first = await obtain(bob)
    let last = first
    let changedAt = 0
    for (let minutes = 0; minutes < 25 * 60 && last === first; minutes += 10) {
      await clock.advance(10 * minute)
      const request = obtain(bob)
      await clock.advance(pause)
      last = await request
      changedAt = clock.now()
    }
    assert.notEqual(last, first)
    assert.ok(changedAt >= noon + 24 * hour && changedAt <= noon + 24 * hour + 11 * minute)
    assert.ok(directory.accepts(last))
  })

  test('extend_cache does not extend the password of an inactive user', async () => {
    const { clock, obtain, writes } = createTestBed({ rules: { extend: true } })
    await obtain(bob)
    await clock.advance(hour + pause)
    await obtain(bob)
    assert.deepEqual(writes(), ['created', 'rotated'])
  })
})

describe('obtain: Elasticsearch fails', () => {
  test('a failed read rejects the request and caches nothing, and the next request succeeds', async () => {
    const { directory, obtain, cache } = createTestBed()
    directory.hooks.before = () => {
      throw unavailable()
    }
    await assert.rejects(obtain(bob), { name: 'GatewayError', code: 'elasticsearch_unavailable' })
    assert.equal(cache.size(), 0)
    directory.hooks.before = undefined
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('a failed read rejects all concurrent requests after one call', async () => {
    const { directory, obtain } = createTestBed()
    directory.hooks.before = () => {
      throw unavailable()
    }
    const results = await Promise.allSettled(Array.from({ length: 100 }, () => obtain(bob)))
    assert.ok(results.every(({ status }) => status === 'rejected'))
    assert.equal(directory.calls.get, 1)
  })

  test('a failed write rejects the request and caches nothing, and the next request succeeds', async () => {
    const { directory, obtain, cache } = createTestBed()
    directory.hooks.before = (operation) => {
      if (operation === 'put') throw unavailable()
    }
    await assert.rejects(obtain(bob), { code: 'elasticsearch_unavailable' })
    assert.equal(cache.size(), 0)
    directory.hooks.before = undefined
    assert.ok(directory.accepts(await obtain(bob)))
  })

  test('after a write whose response is lost, the next request adopts the user', async () => {
    const { directory, obtain } = createTestBed()
    directory.hooks.after = (operation) => {
      if (operation === 'put') throw unavailable()
    }
    await assert.rejects(obtain(bob), { code: 'elasticsearch_unavailable' })
    assert.ok(directory.accepts(await obtain(bob)))
    assert.equal(directory.calls.put, 1)
  })

  test('a cached user keeps the credential for an hour while Elasticsearch is down, and each failed check is reported', async () => {
    const { clock, directory, obtain, revalidationFailures } = createTestBed()
    const first = await obtain(bob)
    directory.hooks.before = () => {
      throw unavailable()
    }
    for (let minutes = 0; minutes < 59; minutes++) {
      assert.equal(await obtain(bob), first)
      await clock.advance(minute)
    }
    assert.ok(revalidationFailures() > 50)
  })

  test('a failed request does not affect a concurrent request of the same user with other groups', async () => {
    const { directory, obtain } = createTestBed()
    directory.hooks.before = () => {
      if (directory.calls.get === 1) throw unavailable()
    }
    const [failed, fine] = await Promise.allSettled([obtain(bob), obtain(bobPromoted)])
    assert.equal(failed.status, 'rejected')
    assert.ok(fine.status === 'fulfilled' && directory.accepts(fine.value))
  })
})

describe('obtain: foreign, reserved and disabled users', () => {
  const unmanaged = [
    ['foreign', createMemoryUser(), 'user_foreign'],
    ['reserved', createMemoryUser({ reserved: true, metadata: { _reserved: true } }), 'user_reserved'],
    ['disabled', createMemoryUser({ enabled: false, metadata: {} }), 'user_disabled'],
  ] as const
  for (const [name, user, code] of unmanaged) {
    test(`a ${name} user is rejected with ${code} and not written`, async () => {
      const { directory, obtain, cache } = createTestBed()
      directory.users.set('bob', user)
      await assert.rejects(obtain(bob), { code, username: 'bob' })
      await assert.rejects(obtain(bob), { code })
      assert.equal(directory.calls.put, 0)
      assert.equal(directory.users.get('bob'), user)
      assert.equal(cache.size(), 0)
    })
  }

  test('a foreign user is taken over with adopt_existing_users, and keeps its other metadata', async () => {
    const { directory, obtain, writes } = createTestBed({ rules: { adoptExisting: true } })
    directory.users.set('bob', createMemoryUser({ metadata: { team: 'blue', groups: ['old'], nested: { a: [1] } } }))
    assert.ok(directory.accepts(await obtain(bob)))
    assert.deepEqual(writes(), ['taken_over'])
    const { elastauth: _, ...others } = directory.users.get('bob')!.metadata
    assert.deepEqual(others, { team: 'blue', groups: ['staff'], nested: { a: [1] } })
  })

  test('other metadata of a managed user survives a change and a rotation', async () => {
    const { clock, directory, obtain } = createTestBed()
    await obtain(bob)
    const stored = directory.users.get('bob')!
    directory.users.set('bob', { ...stored, metadata: { ...stored.metadata, team: 'blue' } })
    await obtain(bobPromoted)
    assert.equal(directory.users.get('bob')?.metadata.team, 'blue')
    await clock.advance(hour + pause)
    await obtain(bob)
    assert.equal(directory.users.get('bob')?.metadata.team, 'blue')
  })

  test('a cached user who becomes foreign is removed from the cache at the next change of groups', async () => {
    const { directory, obtain, cache } = createTestBed()
    await obtain(bob)
    directory.users.set('bob', createMemoryUser())
    await assert.rejects(obtain(bobPromoted), { code: 'user_foreign' })
    assert.equal(cache.size(), 0)
    await assert.rejects(obtain(bob), { code: 'user_foreign' })
  })
})

describe('obtain: without a cache', () => {
  test('without a cache, every request reads the user, only the first request writes, and all get the same credential', async () => {
    const { directory, obtain } = createTestBed({ maxEntries: 0 })
    const all = [await obtain(bob), await obtain(bob), await obtain(bob)]
    assert.equal(new Set(all).size, 1)
    assert.deepEqual(directory.calls, { get: 3, put: 1, authenticate: 0 })
  })

  test('without a cache, 1,000 concurrent requests cause one read and one write', async () => {
    const { directory, obtain } = createTestBed({ maxEntries: 0 })
    await Promise.all(Array.from({ length: 1000 }, () => obtain(bob)))
    assert.deepEqual(directory.calls, { get: 1, put: 1, authenticate: 0 })
  })

  test('a user who was evicted from a cache of one entry is adopted again', async () => {
    const { directory, obtain, cache } = createTestBed({ maxEntries: 1 })
    const first = await obtain(bob)
    await obtain(subject({ username: 'carol' }))
    assert.equal(cache.size(), 1)
    assert.equal(await obtain(bob), first)
    assert.equal(directory.calls.put, 2)
  })
})

describe('obtain: dry run', () => {
  const createDryRunTestBed = () => {
    const clock = createFakeClock(noon)
    return { clock, ...createReplica(createDryRunUsers(), clock, { revalidateAfterMs: Number.POSITIVE_INFINITY }) }
  }

  test('a dry run hands out the same credential each time without checking it', async () => {
    const { clock, obtain, writes } = createDryRunTestBed()
    const first = await obtain(bob)
    assert.match(passwordIn(first), /^[A-Za-z0-9_-]{43}$/)
    for (let minutes = 0; minutes < 10; minutes++) {
      await clock.advance(minute)
      assert.equal(await obtain(bob), first)
    }
    assert.deepEqual(writes(), ['created'])
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { indexOf, keyOf } from '../../../src/sessions/session-id.ts'
import type { Sessions } from '../../../src/sessions/sessions.ts'
import { createUserSessions } from '../../../src/sessions/user-sessions.ts'
import { createReplicas, hour, minute } from './fixture.ts'

describe('the sessions of a user', () => {
  test('the list has the sessions of a user with their browsers, the most recently used first, and no session ids', async () => {
    const { sessions, login, clock } = createReplicas()
    const first = await sessions.create({ ...login, browser: 'Firefox on Linux' })
    const signedInAt = clock.now()
    await clock.advance(5 * minute)
    const second = await sessions.create({ ...login, subject: 'users:alice' })
    await sessions.create({ ...login, subject: 'sub-bob', claims: { name: 'bob', groups: [] } })
    await clock.advance(minute)
    await sessions.find(first)
    assert.deepEqual(await sessions.ofUser.list('alice'), [
      { id: keyOf(first), signedInAt, usedAt: signedInAt + 6 * minute, browser: 'Firefox on Linux' },
      {
        id: keyOf(second),
        signedInAt: signedInAt + 5 * minute,
        usedAt: signedInAt + 5 * minute,
        browser: undefined,
      },
    ])
    assert.deepEqual(await sessions.ofUser.list('carol'), [])
  })

  test('the last use of a session that is in use is at most half a minute old, without a call to the store for each request', async () => {
    const { sessions, login, clock, storeState } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    const before = storeState.calls
    for (let i = 0; i < 120; i++) {
      await clock.advance(1000)
      await sessions.find(id)
    }
    const calls = storeState.calls - before
    const [session] = await sessions.ofUser.list('alice')
    assert.ok(clock.now() - session!.usedAt! <= 30_000, `${clock.now() - session!.usedAt!}`)
    assert.ok(calls <= 2 * 4 + 2, `${calls} calls in two minutes`)
  })

  test('a session that has ended is not in the list', async () => {
    const { sessions, login, clock } = createReplicas(1, { graceMs: 8 * hour })
    await sessions.revoke(await sessions.create(login))
    await sessions.create({ ...login, refreshToken: undefined })
    await clock.advance(61 * minute)
    assert.deepEqual(await sessions.ofUser.list('alice'), [])
  })

  test('a session ends on every replica by the id in the list, and only once', async () => {
    const { replicas, login, revokedUsers } = createReplicas(3)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    assert.equal(await replicas[1]!.ofUser.end('alice', keyOf(id)), true)
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
    assert.equal(await replicas[2]!.ofUser.end('alice', keyOf(id)), false)
    assert.deepEqual(revokedUsers, ['alice', 'alice', 'alice'])
  })

  test("a user cannot end another user's session by its id, nor by the id in its cookie", async () => {
    const { sessions, login } = createReplicas()
    const alice = await sessions.create(login)
    await sessions.create({ ...login, subject: 'sub-bob', claims: { name: 'bob', groups: [] } })
    for (const id of [keyOf(alice), alice, '', 'x'.repeat(43)])
      assert.equal(await sessions.ofUser.end('bob', id), false)
    assert.equal(await sessions.ofUser.end('alice', alice), false)
    assert.equal(await sessions.ofUser.endAll('bob'), 1)
    assert.equal((await sessions.find(alice))?.username, 'alice')
  })

  test("an entry that someone else has added to a user's list neither shows nor ends another user's session", async () => {
    const { sessions, login, memory } = createReplicas()
    const alice = await sessions.create(login)
    await memory.addToIndex(indexOf('user', 'bob'), { key: keyOf(alice), ttlMs: hour })
    assert.deepEqual(await sessions.ofUser.list('bob'), [])
    assert.equal(await sessions.ofUser.end('bob', keyOf(alice)), false)
    assert.equal(await sessions.ofUser.endAll('bob'), 0)
    assert.equal((await sessions.find(alice))?.username, 'alice')
    // The description of bob's own session, moved to alice's, does not open.
    const bob = await sessions.create({ ...login, subject: 'sub-bob', claims: { name: 'bob', groups: [] } })
    const { description } = (await memory.readDetails(keyOf(bob)))!
    await memory.setDescription(keyOf(alice), description!)
    assert.equal(await sessions.ofUser.end('bob', keyOf(alice)), false)
  })

  test('all sessions of a user end, those of a provider and those of the form, or all but one', async () => {
    const { replicas, login } = createReplicas(2)
    const ids = [
      await replicas[0]!.create(login),
      await replicas[1]!.create({ ...login, subject: 'users:alice' }),
      await replicas[1]!.create({ ...login, subject: 'another subject' }),
    ]
    assert.equal(await replicas[0]!.ofUser.endAll('alice', keyOf(ids[1]!)), 2)
    assert.deepEqual(
      (await Promise.all(ids.map((id) => replicas[1]!.find(id)))).map((identity) => identity?.username),
      [undefined, 'alice', undefined],
    )
    assert.equal(await replicas[1]!.ofUser.endAll('alice'), 1)
    assert.equal(await replicas[0]!.find(ids[1]!), undefined)
    assert.equal(await replicas[0]!.ofUser.endAll('alice'), 0)
  })

  test('a sign-in that stores its session after all sessions have ended gets no session', async () => {
    const { sessions, login, memory, storeState } = createReplicas()
    const stored = Promise.withResolvers<void>()
    storeState.beforePut = () => stored.promise
    const signIn = sessions.create(login)
    while ((await memory.listIndex(indexOf('user', 'alice'))).length === 0) await Promise.resolve()
    assert.equal(await sessions.ofUser.endAll('alice'), 0)
    stored.resolve()
    assert.equal(await sessions.find(await signIn), undefined)
  })

  for (const [what, end] of [
    ['the user', (other: Sessions) => other.ofUser.endAll('alice')],
    ['the provider', (other: Sessions) => other.revokeAll('sub', 'sub-alice')],
  ] as const)
    test(`a session that is stored after ${what} has ended all sessions does not return when a replica starts`, async () => {
      const { replicas, login, memory, storeState, createReplica } = createReplicas(2)
      const stored = Promise.withResolvers<void>()
      storeState.beforePut = () => stored.promise
      const signIn = replicas[0]!.create(login)
      while ((await memory.listIndex(indexOf('user', 'alice'))).length === 0) await Promise.resolve()
      await end(replicas[1]!)
      stored.resolve()
      const id = await signIn
      assert.equal(await createReplica().find(id), undefined)
      assert.deepEqual(await replicas[1]!.ofUser.list('alice'), [])
    })

  test('a session of an older release appears in the list when it is used, with an unknown browser and sign-in', async () => {
    const { sessions, seal, login, memory, clock } = createReplicas()
    const id = await sessions.create({ ...login, browser: 'Firefox on Linux' })
    const { signedInAt: _, browser: __, ...older } = seal.open(id, (await memory.get(keyOf(id)))!)!
    await memory.removeFromIndex(indexOf('user', 'alice'), [keyOf(id)])
    await memory.put(keyOf(id), { value: seal.close(id, older)!, ttlMs: hour })
    assert.deepEqual(await sessions.ofUser.list('alice'), [])
    assert.equal((await sessions.find(id))?.username, 'alice')
    const expected = { id: keyOf(id), usedAt: clock.now(), signedInAt: undefined, browser: undefined }
    assert.deepEqual(await sessions.ofUser.list('alice'), [expected])
    assert.equal(await sessions.ofUser.end('alice', keyOf(id)), true)
  })

  test('the sign-in of a session stays the same after a refresh, and that of an older release counts as older than any revocation', async () => {
    const { sessions, seal, login, memory, clock, provider, authenticatedAts } = createReplicas()
    const signedInAt = clock.now()
    const id = await sessions.create(login)
    await sessions.find(id)
    await clock.advance(6 * minute)
    await sessions.find(id)
    assert.equal(provider.received.length, 1)
    assert.deepEqual(new Set(authenticatedAts), new Set([signedInAt]))
    const older = await sessions.create({ ...login, refreshToken: undefined })
    const { signedInAt: _, ...rest } = seal.open(older, (await memory.get(keyOf(older)))!)!
    await memory.put(keyOf(older), { value: seal.close(older, rest)!, ttlMs: hour })
    await sessions.find(older)
    assert.equal(authenticatedAts.at(-1), 0)
  })

  test('a session whose username changes moves to the list of the new name', async () => {
    const { sessions, login, provider, grant, clock } = createReplicas()
    const id = await sessions.create({ ...login, browser: 'Firefox on Linux' })
    provider.requestRefresh = async () => ({ ...grant('r9'), claims: { name: 'alice2', groups: [] } })
    await clock.advance(6 * minute)
    assert.equal((await sessions.find(id))?.username, 'alice2')
    assert.deepEqual(await sessions.ofUser.list('alice'), [])
    assert.equal(await sessions.ofUser.endAll('alice'), 0)
    assert.deepEqual(
      (await sessions.ofUser.list('alice2')).map(({ browser }) => browser),
      ['Firefox on Linux'],
    )
    assert.equal(await sessions.ofUser.endAll('alice2'), 1)
    assert.equal(await sessions.find(id), undefined)
  })

  test('the list of a user with many sign-ins is bounded, and no session of another subject with the same username ends', async () => {
    const { sessions, login, memory } = createReplicas()
    const shared = await sessions.create({ ...login, subject: 'another person', sid: undefined })
    for (let i = 0; i < 200; i++) await sessions.revoke(await sessions.create(login))
    assert.ok((await memory.listIndex(indexOf('user', 'alice'))).length <= 51)
    for (let i = 0; i < 60; i++) await sessions.create({ ...login, subject: `person ${i}`, sid: undefined })
    assert.equal((await sessions.ofUser.list('alice')).length, 61)
    assert.equal((await sessions.find(shared))?.username, 'alice')
  })

  test('lists with many sessions are read and ended with a bounded number of calls at a time, which do not exceed the timeout of Redis', async () => {
    const { seal } = createReplicas()
    const ids = new Set(Array.from({ length: 1000 }, (_, i) => `id ${i}`))
    let [running, most] = [0, 0]
    const call = async <T>(result: T): Promise<T> => {
      most = Math.max(most, ++running)
      await setImmediate()
      running--
      return result
    }
    const store = {
      listIndex: async () => [...ids],
      readDetails: (id: string) => call(ids.has(id) ? { description: undefined, usedAt: 1 } : undefined),
      async removeFromIndex(_name: string, removed: readonly string[]) {
        for (const id of removed) ids.delete(id)
      },
    }
    const users = createUserSessions({ store, seal, revoke: () => call(true) })
    const lists = await Promise.all([users.list('alice'), users.list('alice'), users.list('bob')])
    assert.deepEqual(
      lists.map(({ length }) => length),
      [1000, 1000, 1000],
    )
    assert.equal(await users.endAll('alice'), 1000)
    assert.ok(most <= 100, `${most} calls at a time`)
  })

  test('the name of a list does not contain the username, and the description cannot be read in the store', async () => {
    const { sessions, login, memory } = createReplicas()
    const id = await sessions.create({ ...login, browser: 'Firefox on Linux' })
    assert.doesNotMatch(indexOf('user', 'alice'), /alice/)
    const { description = '' } = (await memory.readDetails(keyOf(id)))!
    const bytes = Buffer.from(description.slice(2), 'base64url').toString('latin1')
    assert.doesNotMatch(description + bytes, /alice|Firefox/)
  })

  test('without the store, sessions can be neither listed nor ended', async () => {
    const { sessions, login, storeState } = createReplicas()
    const id = await sessions.create(login)
    storeState.fault = new Error('down')
    for (const call of [
      sessions.ofUser.list('alice'),
      sessions.ofUser.end('alice', keyOf(id)),
      sessions.ofUser.endAll('alice'),
    ])
      await assert.rejects(call, { code: 'sessions_unavailable' })
  })

  describe('with a store whose sessions have no descriptions, as those of an earlier release', () => {
    function createCommand(list: string[], stored: ReadonlySet<string>) {
      const revoked: string[] = []
      const { seal } = createReplicas()
      const command = createUserSessions({
        store: {
          // A call reads at most two entries of a list.
          listIndex: async (index) => (index === indexOf('user', 'alice') ? list.slice(0, 2) : []),
          removeFromIndex: async (_index, ids) =>
            void list.splice(0, list.length, ...list.filter((id) => !ids.includes(id))),
          readDetails: async (id) => (stored.has(id) ? { description: undefined, usedAt: undefined } : undefined),
        },
        seal,
        async revoke(id) {
          revoked.push(id)
          return stored.has(id)
        },
      })
      return { ...command, revoked }
    }

    test("a user can end only sessions in the user's own list", async () => {
      const { end, revoked } = createCommand(['one'], new Set(['one', "bob's"]))
      assert.deepEqual([await end('alice', "bob's"), await end('bob', 'one'), revoked], [false, false, []])
      assert.equal(await end('alice', 'one'), true)
    })

    test('ending a session that is in the list, but not stored yet, does not revoke the sign-in that is about to store it', async () => {
      const { end, revoked } = createCommand(['one'], new Set())
      assert.deepEqual([await end('alice', 'one'), revoked], [false, []])
    })

    test('all sessions of a list that is longer than one call reads are ended', async () => {
      const ids = ['1', '2', '3', '4', '5']
      const { endAll, revoked } = createCommand([...ids], new Set(ids))
      assert.equal(await endAll('alice'), 5)
      assert.deepEqual(revoked, ids)
    })
  })

  test('a command lists and ends the sessions of a user with the store alone', async () => {
    const { replicas, login, seal, memory } = createReplicas(2)
    const id = await replicas[0]!.create({ ...login, browser: 'Safari on iOS' })
    await replicas[1]!.find(id)
    const revoke = async (key: string) => {
      const existed = await memory.delete(key)
      for (const sessions of replicas) sessions.handleEvent({ key, type: 'ended', by: '' })
      return existed
    }
    const command = createUserSessions({ store: memory, seal, revoke })
    assert.deepEqual(
      (await command.list('alice')).map(({ browser }) => browser),
      ['Safari on iOS'],
    )
    assert.equal(await command.endAll('alice'), 1)
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
  })
})

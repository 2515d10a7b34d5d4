import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import { indexOf, keyOf } from '../../../src/sessions/session-id.ts'
import { createReplicas, hour, minute } from './fixture.ts'

const outage = () => new GatewayError('provider_unavailable', 'down')

describe('a session', () => {
  test('is found by its id alone, as the same object, without the store', async () => {
    const { sessions, login, fault } = createReplicas()
    const id = await sessions.create(login)
    assert.match(id, /^[\w-]{43}$/)
    const identity = await sessions.find(id)
    assert.equal(identity?.username, 'alice')
    const before = fault.calls
    for (let i = 0; i < 10; i++) assert.equal(sessions.find(id), identity)
    assert.equal(fault.calls, before)
    for (const other of ['', 'A'.repeat(43), keyOf(id), id.toLowerCase()])
      assert.equal(await sessions.find(other), undefined)
  })

  test('stands in the store under a hash, and opens only with its id', async () => {
    const { sessions, login, memory } = createReplicas()
    const secrets = { refreshToken: 'refresh-token-of-alice', idToken: 'id-token-of-alice' }
    const [one, two] = [
      await sessions.create({ ...login, ...secrets }),
      await sessions.create({ ...login, claims: { name: 'bob', groups: [] } }),
    ]
    const sealed = (await memory.get(keyOf(one)))!
    // Long markers only: a few characters occur in random bytes and their base64 by chance.
    const readable = sealed + Buffer.from(sealed.slice(sealed.indexOf('.') + 1), 'base64url').toString('latin1')
    for (const marker of [...Object.values(secrets), 'refreshToken', '"groups":["staff"]', one])
      assert.ok(!readable.includes(marker), marker)
    assert.equal(await memory.get(one), undefined)
    // Whoever can write there puts bob's session in alice's place.
    await memory.put(keyOf(two), sealed, hour)
    assert.equal(await sessions.find(two), undefined)
    const changed = `${sealed.slice(0, 100)}${sealed[100] === 'A' ? 'B' : 'A'}${sealed.slice(101)}`
    await memory.put(keyOf(one), changed, hour)
    assert.equal(await sessions.find(one), undefined)
  })

  test('of another release is as none', async () => {
    const { sessions, login, memory } = createReplicas()
    const id = await sessions.create(login)
    await memory.put(keyOf(id), `2${(await memory.get(keyOf(id)))!.slice(1)}`, hour)
    assert.equal(await sessions.find(id), undefined)
  })

  test('ends when it lies unused', async () => {
    const { sessions, login, clock } = createReplicas(1, { graceMs: 8 * hour })
    const id = await sessions.create({ ...login, refreshToken: undefined })
    for (let i = 0; i < 4; i++) {
      await clock.advance(50 * minute)
      assert.equal((await sessions.find(id))?.username, 'alice')
    }
    await clock.advance(61 * minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('is not idle while another replica serves it', async () => {
    const { all, login, clock } = createReplicas(2)
    const id = await all[0]!.create({ ...login, refreshToken: undefined })
    await all[0]!.find(id)
    for (let i = 0; i < 4; i++) {
      await clock.advance(30 * minute)
      assert.ok(await all[1]!.find(id))
    }
    assert.ok(await all[0]!.find(id))
  })

  test('ends after its lifetime, however busy', async () => {
    const { sessions, login, clock } = createReplicas()
    const id = await sessions.create(login)
    for (let i = 0; i < 8 * 60 - 1; i++) {
      await clock.advance(minute)
      assert.ok(await sessions.find(id), `minute ${i}`)
    }
    await clock.advance(minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('ends when its subject opens 50 later ones, and sessions of others stay', async () => {
    const { all, login, clock } = createReplicas(3)
    const bob = await all[0]!.create({ ...login, subject: 'sub-bob', sid: 'sid-2' })
    const ids: string[] = []
    for (let i = 0; i < 200; i++) {
      ids.push(await all[i % 3]!.create({ ...login, sid: `sid-${i % 7}` }))
      await clock.advance(1)
    }
    for (const sessions of all) {
      const found = await Promise.all(ids.map((id) => sessions.find(id)))
      const open = found.map((identity) => identity !== undefined)
      assert.deepEqual(open, [...Array(150).fill(false), ...Array(50).fill(true)])
      assert.equal((await sessions.find(bob))?.username, 'alice')
    }
    assert.equal(await all[0]!.revokeAll('sub', 'sub-alice'), 50)
  })

  test('counts for the limit of its subject only until it has ended', async () => {
    const { sessions, login, clock, memory } = createReplicas()
    const first = await sessions.create(login)
    for (let i = 0; i < 500; i++) {
      await sessions.revoke(await sessions.create(login))
      await clock.advance(1)
    }
    assert.equal((await sessions.find(first))?.username, 'alice')
    for (const name of [indexOf('sub', 'sub-alice'), indexOf('sid', 'sid-1')])
      assert.ok((await memory.listIndex(name)).length <= 50, 'the list is bounded')
  })

  test('is one of 50 that stay when its subject opens 200 at the same moment', async () => {
    const { all, login } = createReplicas(3)
    const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % 3]!.create(login)))
    const found = await Promise.all(ids.map((id) => all[0]!.find(id)))
    assert.equal(found.filter((identity) => identity !== undefined).length, 50)
    assert.equal(await all[0]!.revokeAll('sub', 'sub-alice'), 50)
  })

  test('that is ended is gone on every replica', async () => {
    const { all, login, ended } = createReplicas(3)
    const id = await all[0]!.create(login)
    for (const sessions of all) assert.ok(await sessions.find(id))
    await all[1]!.revoke(id)
    for (const sessions of all) assert.equal(await sessions.find(id), undefined)
    assert.deepEqual(ended, ['alice', 'alice', 'alice'])
  })

  test('a look that began before its end does not bring it back', async () => {
    const { all, login, memory, clock } = createReplicas(2)
    const id = await all[0]!.create(login)
    const looking = all[1]!.find(id)
    const ending = all[0]!.revoke(id)
    await Promise.all([looking, ending])
    assert.equal(await memory.get(keyOf(id)), undefined)
    await clock.advance(31_000) // at the latest at its next look
    await all[1]!.find(id)
    await clock.advance(1)
    assert.equal(await all[1]!.find(id), undefined)
  })

  test('is looked up after 30 s even if the clock was set back', async () => {
    const { all, login, memory, clock } = createReplicas()
    const id = await all[0]!.create(login)
    await all[0]!.find(id)
    clock.setBack(hour)
    await memory.delete(keyOf(id)) // unheard
    await clock.advance(31_000)
    await all[0]!.find(id)
    await clock.advance(1)
    assert.equal(await all[0]!.find(id), undefined)
  })

  test('that was ended here does not come back by a look under way', async () => {
    const { sessions, login, fault } = createReplicas()
    const id = await sessions.create(login)
    const looking = sessions.find(id)
    fault.store = new Error('down') // for the end: the store still holds it
    await sessions.revoke(id)
    fault.store = undefined
    assert.equal(await looking, undefined)
    assert.equal(await sessions.find(id), undefined)
  })

  test('all of a subject, or of one of the provider’s sessions, end together', async () => {
    const { sessions, login } = createReplicas()
    const a = await sessions.create(login)
    const b = await sessions.create({ ...login, sid: 'sid-2' })
    const c = await sessions.create({ ...login, subject: 'sub-bob', sid: 'sid-3' })
    assert.equal(await sessions.revokeAll('sid', 'sid-2'), 1)
    assert.equal(await sessions.find(b), undefined)
    assert.ok(await sessions.find(a))
    assert.equal(await sessions.revokeAll('sub', 'sub-alice'), 1)
    assert.equal(await sessions.find(a), undefined)
    assert.ok(await sessions.find(c))
    assert.equal(await sessions.revokeAll('sub', 'sub-alice'), 0)
    assert.equal(await sessions.revokeAll('sub', 'sid-3'), 0)
  })

  test('with tokens that are too large is kept without its ID token, or not at all', async () => {
    const { sessions, login } = createReplicas()
    const id = await sessions.create({ ...login, idToken: 'x'.repeat(100_000) })
    assert.deepEqual((await sessions.read(id))?.idToken, undefined)
    await assert.rejects(sessions.create({ ...login, refreshToken: 'x'.repeat(100_000) }), { code: 'login_failed' })
  })
})

describe('while the store is away', () => {
  test('who is known stays in, who is not hears 503, and nobody logs in', async () => {
    const { all, login, clock, fault } = createReplicas(2)
    const id = await all[0]!.create({ ...login, refreshToken: undefined })
    await all[0]!.find(id)
    fault.store = new Error('not connected')
    for (let i = 0; i < 30; i++) {
      await clock.advance(minute)
      assert.ok(await all[0]!.find(id))
    }
    await assert.rejects(async () => all[1]!.find(id), { code: 'sessions_unavailable' })
    await assert.rejects(all[0]!.create(login), { code: 'sessions_unavailable' })
    fault.store = undefined
    assert.ok(await all[1]!.find(id))
  })

  test('it is asked no more than now and then', async () => {
    const { sessions, login, clock, fault } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    await clock.advance(31_000)
    fault.store = new Error('not connected')
    const before = fault.calls
    for (let i = 0; i < 100; i++) {
      await sessions.find(id)
      await clock.advance(10)
    }
    assert.ok(fault.calls - before <= 2)
  })

  test('an end is remembered, and carried out when it is back', async () => {
    const { all, login, fault, memory } = createReplicas(2)
    const id = await all[0]!.create(login)
    await all[1]!.find(id)
    fault.store = new Error('not connected')
    await all[0]!.revoke(id)
    assert.equal(await all[0]!.find(id), undefined)
    fault.store = undefined
    all[0]!.recheckAll()
    await new Promise(setImmediate)
    assert.equal(await memory.get(keyOf(id)), undefined)
    assert.equal(await all[1]!.find(id), undefined)
  })
})

describe('refresh', () => {
  test('in the background before the token’s end: groups are new, the identity is the same object while they are not', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    const first = await sessions.find(id)
    await clock.advance(4 * minute + 1)
    assert.equal(sessions.find(id), first)
    await clock.advance(1)
    assert.deepEqual(provider.seen, ['r0'])
    assert.equal(sessions.find(id), first)
    provider.groups = ['admins']
    await clock.advance(4 * minute + 1)
    await sessions.find(id)
    await clock.advance(1)
    assert.deepEqual((await sessions.find(id))?.groups, ['admins'])
    assert.deepEqual(provider.seen, ['r0', 'r1'])
  })

  test('is waited for after the token’s end: no request is served with old groups', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.groups = []
    await clock.advance(30 * minute)
    assert.deepEqual((await sessions.find(id))?.groups, [])
  })

  test('of many requests on three replicas at the same moment: one, and nobody is thrown out', async () => {
    const { all, login, clock, provider } = createReplicas(3)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    for (let round = 1; round <= 5; round++) {
      await clock.advance(10 * minute)
      const found = Promise.all(Array.from({ length: 30 }, (_, i) => all[i % 3]!.find(id)))
      await clock.advance(1000)
      for (const identity of await found) assert.equal(identity?.username, 'alice')
      assert.equal(provider.seen.length, round)
    }
    assert.deepEqual(provider.seen, ['r0', 'r1', 'r2', 'r3', 'r4'])
  })

  test('that takes longer than anybody waits: still one, and nobody is thrown out', async () => {
    const { all, login, clock, provider, grant } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    const answer = Promise.withResolvers<void>()
    provider.redeem = async (refreshToken) => {
      provider.seen.push(refreshToken)
      await answer.promise
      return grant('r1')
    }
    await clock.advance(5 * minute)
    const slow = all[0]!.find(id)
    await clock.advance(1)
    const other = all[1]!.find(id)
    await clock.advance(10_000)
    assert.equal((await other)?.username, 'alice') // within the grace
    await clock.advance(100_000)
    const another = all[1]!.find(id)
    await clock.advance(10_000)
    assert.equal((await another)?.username, 'alice')
    answer.resolve()
    assert.equal((await slow)?.username, 'alice')
    assert.deepEqual(provider.seen, ['r0'])
    await clock.advance(minute)
    assert.equal((await all[1]!.find(id))?.username, 'alice')
    assert.deepEqual(provider.seen, ['r0'])
  })

  test('by a replica that died with the token in its hand: nobody shows it again while the session lives', async () => {
    const { all, login, clock, provider, grant } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    provider.redeem = (refreshToken) => {
      provider.seen.push(refreshToken)
      return new Promise(() => {})
    }
    await clock.advance(4 * minute + 1)
    await all[0]!.find(id)
    await clock.advance(0)
    provider.redeem = async (refreshToken) => {
      provider.seen.push(refreshToken)
      return grant('r1')
    }
    for (let second = 0; second < 355; second += 10) {
      const found = all[1]!.find(id)
      await clock.advance(10_000)
      assert.equal((await found)?.username, 'alice')
    }
    assert.deepEqual(provider.seen, ['r0'])
    // Nothing is left to lose: perhaps the provider has not seen it.
    await clock.advance(10_000)
    const last = all[1]!.find(id)
    await clock.advance(6000)
    assert.equal((await last)?.username, 'alice')
    assert.deepEqual(provider.seen, ['r0', 'r0'])
  })

  test('without an answer: the token may be spent, and is not shown again while the session lives', async () => {
    const { sessions, login, clock, provider, failures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.redeem = async (refreshToken) => {
      provider.seen.push(refreshToken)
      return provider.seen.length === 1 ? { unconfirmed: outage() } : 'rejected'
    }
    for (let second = 0; second < 600; second += 10) {
      const found = sessions.find(id)
      await clock.advance(10_000)
      assert.equal((await found)?.username, 'alice', `second ${second}`)
    }
    assert.deepEqual(provider.seen, ['r0'])
    assert.deepEqual([failures.length, (failures[0] as GatewayError).code], [1, 'provider_unavailable'])
    const over = sessions.find(id)
    await clock.advance(6000)
    assert.equal(await over, undefined)
    assert.deepEqual(provider.seen, ['r0', 'r0'])
  })

  test('refused by the provider: the session ends at once, everywhere', async () => {
    const { all, login, clock, provider } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    provider.redeem = async () => 'rejected'
    await clock.advance(4 * minute + 1)
    await all[0]!.find(id)
    await clock.advance(1)
    for (const sessions of all) assert.equal(await sessions.find(id), undefined)
  })

  test('provider down: in until the token’s end and its grace, then 503, and in again when it is back', async () => {
    const { sessions, login, clock, provider, failures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    const { redeem } = provider
    provider.redeem = async () => {
      throw outage()
    }
    for (let second = 0; second < 600; second += 10) {
      assert.ok(await sessions.find(id), `second ${second}`)
      await clock.advance(10_000)
    }
    await assert.rejects(async () => sessions.find(id), { code: 'provider_unavailable' })
    assert.ok(failures.length > 5)
    provider.redeem = redeem
    await clock.advance(6000)
    assert.ok(await sessions.find(id))
  })

  test('a provider that is down is not stormed', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    provider.redeem = async (token) => {
      provider.seen.push(token)
      throw outage()
    }
    await clock.advance(20 * minute)
    for (let i = 0; i < 200; i++) {
      await (async () => sessions.find(id))().catch(() => {})
      await clock.advance(10)
    }
    assert.equal(provider.seen.length, 1)
  })

  test('the store goes away in the middle: the new token is kept here, and stored when it is back', async () => {
    const { all, login, clock, provider, grant, fault } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    provider.redeem = async (refreshToken) => {
      provider.seen.push(refreshToken)
      fault.store = new Error('not connected')
      return grant('r1')
    }
    await clock.advance(4 * minute + 1)
    await all[0]!.find(id)
    await clock.advance(1)
    assert.equal((await all[0]!.find(id))?.username, 'alice')
    fault.store = undefined
    await clock.advance(31_000)
    await all[0]!.find(id)
    await clock.advance(1)
    assert.equal((await all[0]!.read(id))?.refreshToken, 'r1')
    await clock.advance(2 * minute)
    assert.equal((await all[1]!.find(id))?.username, 'alice')
    assert.deepEqual(provider.seen, ['r0'])
  })

  test('claims that could not be read again age, but the new refresh token is kept', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.redeem = async () => ({ ...grant('r1'), claims: undefined })
    await clock.advance(4 * minute + 1)
    await sessions.find(id)
    await clock.advance(1)
    assert.equal((await sessions.read(id))?.refreshToken, 'r1')
    await clock.advance(5 * minute)
    assert.ok(await sessions.find(id))
    await clock.advance(minute)
    await assert.rejects(async () => sessions.find(id), { code: 'provider_unavailable' })
  })

  test('that does not confirm the groups leaves the session for its grace, without a storm, and then ends it', async () => {
    const { all, login, clock, provider, grant, failures } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    provider.redeem = async (refreshToken) => {
      provider.seen.push(refreshToken)
      return { ...grant(`r${provider.seen.length}`), isFresh: false }
    }
    for (let second = 0; second < 600; second += 5) {
      for (const sessions of all) assert.equal((await sessions.find(id))?.username, 'alice', `second ${second}`)
      await clock.advance(5000)
    }
    assert.deepEqual(provider.seen, ['r0', 'r1'])
    for (const sessions of all) assert.equal(await sessions.find(id), undefined)
    assert.deepEqual(provider.seen, ['r0', 'r1'])
    assert.match(String(failures[0]), /no ID token/)
  })

  test('that does not confirm the groups of a long unused session ends it at once', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.redeem = async () => ({ ...grant('r1'), isFresh: false })
    await clock.advance(30 * minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('that confirms the groups again after one that did not keeps the session', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    const isFresh = [false, true, true, true]
    provider.redeem = async () => ({ ...grant('r'), isFresh: isFresh.shift() ?? true })
    for (let passed = 0; passed < 15; passed++) {
      await clock.advance(minute)
      assert.equal((await sessions.find(id))?.username, 'alice', `minute ${passed}`)
    }
  })

  test('whose claims are no longer a valid identity ends the session, so that the user can sign in again', async () => {
    const { sessions, login, clock, provider, grant, failures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.redeem = async () => ({ ...grant('r1'), claims: { groups: ['staff'] } })
    await clock.advance(30 * minute)
    assert.equal(await sessions.find(id), undefined)
    assert.equal(await sessions.read(id), undefined)
    assert.equal((failures[0] as GatewayError).code, 'identity_invalid')
  })

  test('of a session of an older release, without the sources of its claims, works', async () => {
    const { sessions, login, clock, provider, memory, sealed } = createReplicas()
    const id = await sessions.create(login)
    const { fromUserinfo: _, ...older } = (await sessions.read(id))!
    await memory.put(keyOf(id), sealed.close(id, older)!, hour)
    let seen: unknown = 'not called'
    const { redeem } = provider
    provider.redeem = (token, session) => {
      seen = session.fromUserinfo
      return redeem(token, session)
    }
    await clock.advance(10 * minute)
    assert.equal((await sessions.find(id))?.username, 'alice')
    assert.equal(seen, undefined)
  })

  test('a session that ended meanwhile is not brought back', async () => {
    const { all, login, clock, provider, grant, memory } = createReplicas(2)
    const id = await all[0]!.create(login)
    for (const sessions of all) await sessions.find(id)
    const answer = Promise.withResolvers<void>()
    provider.redeem = async () => {
      await answer.promise
      return grant('r1')
    }
    await clock.advance(4 * minute + 1)
    await all[0]!.find(id)
    await clock.advance(1)
    await all[1]!.revoke(id)
    answer.resolve()
    await clock.advance(1)
    assert.equal(await memory.get(keyOf(id)), undefined)
    for (const sessions of all) assert.equal(await sessions.find(id), undefined)
  })
})

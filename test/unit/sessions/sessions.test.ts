import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GatewayError } from '../../../src/http/errors.ts'
import type { GrantedTokens } from '../../../src/sessions/refresh.ts'
import { indexOf, keyOf } from '../../../src/sessions/session-id.ts'
import { createReplicas, hour, minute, type Provider } from './fixture.ts'

const outage = () => new GatewayError('provider_unavailable', 'down')

describe('sessions', () => {
  test('a session is found only by its id, as the same object, without a call to the store', async () => {
    const { sessions, login, storeState } = createReplicas()
    const id = await sessions.create(login)
    assert.match(id, /^[\w-]{43}$/)
    const identity = await sessions.find(id)
    assert.equal(identity?.username, 'alice')
    const before = storeState.calls
    for (let i = 0; i < 10; i++) assert.equal(sessions.find(id), identity)
    assert.equal(storeState.calls, before)
    for (const other of ['', 'A'.repeat(43), keyOf(id), id.toLowerCase()])
      assert.equal(await sessions.find(other), undefined)
  })

  test('a session is stored encrypted under a hash of its id, and cannot be decrypted under another id or after a modification', async () => {
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
    // An attacker with write access stores alice's session under the key of bob's session.
    await memory.put(keyOf(two), { value: sealed, ttlMs: hour })
    assert.equal(await sessions.find(two), undefined)
    const changed = `${sealed.slice(0, 100)}${sealed[100] === 'A' ? 'B' : 'A'}${sealed.slice(101)}`
    await memory.put(keyOf(one), { value: changed, ttlMs: hour })
    assert.equal(await sessions.find(one), undefined)
  })

  test('a session that another release has stored counts as absent', async () => {
    const { sessions, login, memory } = createReplicas()
    const id = await sessions.create(login)
    await memory.put(keyOf(id), { value: `2${(await memory.get(keyOf(id)))!.slice(1)}`, ttlMs: hour })
    assert.equal(await sessions.find(id), undefined)
  })

  test('a session ends after its idle timeout', async () => {
    const { sessions, login, clock } = createReplicas(1, { graceMs: 8 * hour })
    const id = await sessions.create({ ...login, refreshToken: undefined })
    for (let i = 0; i < 4; i++) {
      await clock.advance(50 * minute)
      assert.equal((await sessions.find(id))?.username, 'alice')
    }
    await clock.advance(61 * minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('a session does not end on one replica while another replica serves it', async () => {
    const { replicas, login, clock } = createReplicas(2)
    const id = await replicas[0]!.create({ ...login, refreshToken: undefined })
    await replicas[0]!.find(id)
    for (let i = 0; i < 4; i++) {
      await clock.advance(30 * minute)
      assert.ok(await replicas[1]!.find(id))
    }
    assert.ok(await replicas[0]!.find(id))
  })

  test('a session ends after its lifetime even if it is used every minute', async () => {
    const { sessions, login, clock } = createReplicas()
    const id = await sessions.create(login)
    for (let i = 0; i < 8 * 60 - 1; i++) {
      await clock.advance(minute)
      assert.ok(await sessions.find(id), `minute ${i}`)
    }
    await clock.advance(minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('a session ends when its subject signs in 50 more times, and the sessions of other subjects stay', async () => {
    const { replicas, login, clock } = createReplicas(3)
    const bob = await replicas[0]!.create({ ...login, subject: 'sub-bob', sid: 'sid-2' })
    const ids: string[] = []
    for (let i = 0; i < 200; i++) {
      ids.push(await replicas[i % 3]!.create({ ...login, sid: `sid-${i % 7}` }))
      await clock.advance(1)
    }
    for (const sessions of replicas) {
      const found = await Promise.all(ids.map((id) => sessions.find(id)))
      const open = found.map((identity) => identity !== undefined)
      assert.deepEqual(open, [...Array(150).fill(false), ...Array(50).fill(true)])
      assert.equal((await sessions.find(bob))?.username, 'alice')
    }
    assert.equal(await replicas[0]!.revokeAll('sub', 'sub-alice'), 50)
  })

  test('a session does not count toward the limit of its subject after it has ended', async () => {
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

  test('a subject keeps 50 sessions after 200 concurrent sign-ins', async () => {
    const { replicas, login } = createReplicas(3)
    const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => replicas[i % 3]!.create(login)))
    const found = await Promise.all(ids.map((id) => replicas[0]!.find(id)))
    assert.equal(found.filter((identity) => identity !== undefined).length, 50)
    assert.equal(await replicas[0]!.revokeAll('sub', 'sub-alice'), 50)
  })

  test('a session that is revoked ends on every replica', async () => {
    const { replicas, login, revokedUsers } = createReplicas(3)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) assert.ok(await sessions.find(id))
    await replicas[1]!.revoke(id)
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
    assert.deepEqual(revokedUsers, ['alice', 'alice', 'alice'])
  })

  test('a session that another replica revokes is not restored by a lookup that began before', async () => {
    const { replicas, login, memory, clock } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    const lookup = replicas[1]!.find(id)
    const revocation = replicas[0]!.revoke(id)
    await Promise.all([lookup, revocation])
    assert.equal(await memory.get(keyOf(id)), undefined)
    await clock.advance(31_000) // its next lookup is due
    await replicas[1]!.find(id)
    await clock.advance(1)
    assert.equal(await replicas[1]!.find(id), undefined)
  })

  test('a session is looked up in the store after 30 seconds even if the clock was set back', async () => {
    const { replicas, login, memory, clock } = createReplicas()
    const id = await replicas[0]!.create(login)
    await replicas[0]!.find(id)
    clock.setBack(hour)
    await memory.delete(keyOf(id)) // without a message
    await clock.advance(31_000)
    await replicas[0]!.find(id)
    await clock.advance(1)
    assert.equal(await replicas[0]!.find(id), undefined)
  })

  test('a session that is revoked while the store is unavailable is not restored by a pending lookup', async () => {
    const { sessions, login, storeState } = createReplicas()
    const id = await sessions.create(login)
    const lookup = sessions.find(id)
    storeState.fault = new Error('down') // the deletion fails, so the store still has it
    await sessions.revoke(id)
    storeState.fault = undefined
    assert.equal(await lookup, undefined)
    assert.equal(await sessions.find(id), undefined)
  })

  test('a session that is revoked while the store is unavailable is not served by a pending lookup that fails', async () => {
    const { sessions, login, storeState, clock } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    await clock.advance(31_000)
    storeState.fault = new Error('down')
    void sessions.find(id) // begins a lookup
    const revoked = sessions.revoke(id)
    assert.equal(await sessions.find(id), undefined) // waits for that lookup
    await revoked
  })

  test('a session ends when all sessions of its subject, or of its provider session, are revoked', async () => {
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

  test('a session is stored without an ID token that is too large, and is rejected with a refresh token that is too large', async () => {
    const { sessions, login } = createReplicas()
    const id = await sessions.create({ ...login, idToken: 'x'.repeat(100_000) })
    assert.deepEqual((await sessions.read(id))?.idToken, undefined)
    await assert.rejects(sessions.create({ ...login, refreshToken: 'x'.repeat(100_000) }), { code: 'login_failed' })
  })
})

describe('while the session store is unavailable', () => {
  test('without the store, a cached session is served, and other sessions and sign-ins fail with sessions_unavailable', async () => {
    const { replicas, login, clock, storeState } = createReplicas(2)
    const id = await replicas[0]!.create({ ...login, refreshToken: undefined })
    await replicas[0]!.find(id)
    storeState.fault = new Error('not connected')
    for (let i = 0; i < 30; i++) {
      await clock.advance(minute)
      assert.ok(await replicas[0]!.find(id))
    }
    await assert.rejects(async () => replicas[1]!.find(id), { code: 'sessions_unavailable' })
    await assert.rejects(replicas[0]!.create(login), { code: 'sessions_unavailable' })
    storeState.fault = undefined
    assert.ok(await replicas[1]!.find(id))
  })

  test('without the store, 100 requests of a session cause at most two calls to the store', async () => {
    const { sessions, login, clock, storeState } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    await clock.advance(31_000)
    storeState.fault = new Error('not connected')
    const before = storeState.calls
    for (let i = 0; i < 100; i++) {
      await sessions.find(id)
      await clock.advance(10)
    }
    assert.ok(storeState.calls - before <= 2)
  })

  test('without the store, the deletion of a revoked session is pending and retried when the store is back', async () => {
    const { replicas, login, storeState, memory } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    await replicas[1]!.find(id)
    storeState.fault = new Error('not connected')
    await replicas[0]!.revoke(id)
    assert.equal(await replicas[0]!.find(id), undefined)
    storeState.fault = undefined
    replicas[0]!.recheckAll()
    await new Promise(setImmediate)
    assert.equal(await memory.get(keyOf(id)), undefined)
    assert.equal(await replicas[1]!.find(id), undefined)
  })
})

describe('refreshes of sessions', () => {
  test('a refresh runs in the background before the token expires, and replaces the identity only if the groups have changed', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    const first = await sessions.find(id)
    await clock.advance(4 * minute + 1)
    assert.equal(sessions.find(id), first)
    await clock.advance(1)
    assert.deepEqual(provider.received, ['r0'])
    assert.equal(sessions.find(id), first)
    provider.groups = ['admins']
    await clock.advance(4 * minute + 1)
    await sessions.find(id)
    await clock.advance(1)
    assert.deepEqual((await sessions.find(id))?.groups, ['admins'])
    assert.deepEqual(provider.received, ['r0', 'r1'])
  })

  test('a refresh delays requests after the token has expired, so that none is served with stale groups', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.groups = []
    await clock.advance(30 * minute)
    assert.deepEqual((await sessions.find(id))?.groups, [])
  })

  test('a refresh redeems each token once for 30 concurrent requests on three replicas, and all requests are served', async () => {
    const { replicas, login, clock, provider } = createReplicas(3)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    for (let round = 1; round <= 5; round++) {
      await clock.advance(10 * minute)
      const found = Promise.all(Array.from({ length: 30 }, (_, i) => replicas[i % 3]!.find(id)))
      await clock.advance(1000)
      for (const identity of await found) assert.equal(identity?.username, 'alice')
      assert.equal(provider.received.length, round)
    }
    assert.deepEqual(provider.received, ['r0', 'r1', 'r2', 'r3', 'r4'])
  })

  test('a refresh redeems the token once even if the provider responds after the wait timeout, and the session stays', async () => {
    const { replicas, login, clock, provider, grant } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    const respond = delayRefresh(provider, () => grant('r1'))
    await clock.advance(5 * minute)
    const slow = replicas[0]!.find(id)
    await clock.advance(1)
    const other = replicas[1]!.find(id)
    await clock.advance(10_000)
    assert.equal((await other)?.username, 'alice') // within the grace period
    await clock.advance(100_000)
    const another = replicas[1]!.find(id)
    await clock.advance(10_000)
    assert.equal((await another)?.username, 'alice')
    respond()
    assert.equal((await slow)?.username, 'alice')
    assert.deepEqual(provider.received, ['r0'])
    await clock.advance(minute)
    assert.equal((await replicas[1]!.find(id))?.username, 'alice')
    assert.deepEqual(provider.received, ['r0'])
  })

  test('a session is served if the store fails while a request waits for the refresh of another replica', async () => {
    const { replicas, login, clock, provider, grant, storeState } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    const respond = delayRefresh(provider, () => grant('r1'))
    await clock.advance(5 * minute)
    const refreshing = replicas[0]!.find(id)
    await clock.advance(1)
    const waiting = replicas[1]!.find(id)
    await clock.advance(1000)
    storeState.fault = new Error('the store is down')
    await clock.advance(1000)
    assert.equal((await waiting)?.username, 'alice')
    delete storeState.fault
    respond()
    assert.equal((await refreshing)?.username, 'alice')
    assert.deepEqual(provider.received, ['r0'])
  })

  test('a refresh does not redeem the token again after a replica has died during the refresh, until the grace period is over', async () => {
    const { replicas, login, clock, provider, grant } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    provider.requestRefresh = (refreshToken) => {
      provider.received.push(refreshToken)
      return new Promise(() => {})
    }
    await clock.advance(4 * minute + 1)
    await replicas[0]!.find(id)
    await clock.advance(0)
    provider.requestRefresh = async (refreshToken) => {
      provider.received.push(refreshToken)
      return grant('r1')
    }
    for (let second = 0; second < 355; second += 10) {
      const found = replicas[1]!.find(id)
      await clock.advance(10_000)
      assert.equal((await found)?.username, 'alice')
    }
    assert.deepEqual(provider.received, ['r0'])
    // The grace period is over, so a replay can lose nothing: the provider may not have received the token.
    await clock.advance(10_000)
    const last = replicas[1]!.find(id)
    await clock.advance(6000)
    assert.equal((await last)?.username, 'alice')
    assert.deepEqual(provider.received, ['r0', 'r0'])
  })

  test('a refresh does not redeem a token again after a missing response, until the grace period is over', async () => {
    const { sessions, login, clock, provider, refreshFailures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.requestRefresh = async (refreshToken) => {
      provider.received.push(refreshToken)
      return provider.received.length === 1 ? { unconfirmed: outage() } : 'rejected'
    }
    for (let second = 0; second < 600; second += 10) {
      const found = sessions.find(id)
      await clock.advance(10_000)
      assert.equal((await found)?.username, 'alice', `second ${second}`)
    }
    assert.deepEqual(provider.received, ['r0'])
    assert.deepEqual([refreshFailures.length, (refreshFailures[0] as GatewayError).code], [1, 'provider_unavailable'])
    const last = sessions.find(id)
    await clock.advance(6000)
    assert.equal(await last, undefined)
    assert.deepEqual(provider.received, ['r0', 'r0'])
  })

  test('a refresh ends the session on every replica if the provider rejects the token', async () => {
    const { replicas, login, clock, provider } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    provider.requestRefresh = async () => 'rejected'
    await clock.advance(4 * minute + 1)
    await replicas[0]!.find(id)
    await clock.advance(1)
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
  })

  test('a refresh fails with provider_unavailable after the grace period if the provider is down, and succeeds when the provider is back', async () => {
    const { sessions, login, clock, provider, refreshFailures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    const { requestRefresh } = provider
    provider.requestRefresh = async () => {
      throw outage()
    }
    for (let second = 0; second < 600; second += 10) {
      assert.ok(await sessions.find(id), `second ${second}`)
      await clock.advance(10_000)
    }
    await assert.rejects(async () => sessions.find(id), { code: 'provider_unavailable' })
    assert.ok(refreshFailures.length > 5)
    provider.requestRefresh = requestRefresh
    await clock.advance(6000)
    assert.ok(await sessions.find(id))
  })

  test('a refresh backs off from a provider that is down, so that 200 requests cause one call', async () => {
    const { sessions, login, clock, provider } = createReplicas()
    const id = await sessions.create(login)
    provider.requestRefresh = async (token) => {
      provider.received.push(token)
      throw outage()
    }
    await clock.advance(20 * minute)
    for (let i = 0; i < 200; i++) {
      await (async () => sessions.find(id))().catch(() => {})
      await clock.advance(10)
    }
    assert.equal(provider.received.length, 1)
  })

  test('a refresh keeps the new token in the process if the store fails, and stores it when the store is back', async () => {
    const { replicas, login, clock, provider, grant, storeState } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    provider.requestRefresh = async (refreshToken) => {
      provider.received.push(refreshToken)
      storeState.fault = new Error('not connected')
      return grant('r1')
    }
    await clock.advance(4 * minute + 1)
    await replicas[0]!.find(id)
    await clock.advance(1)
    assert.equal((await replicas[0]!.find(id))?.username, 'alice')
    storeState.fault = undefined
    await clock.advance(31_000)
    await replicas[0]!.find(id)
    await clock.advance(1)
    assert.equal((await replicas[0]!.read(id))?.refreshToken, 'r1')
    await clock.advance(2 * minute)
    assert.equal((await replicas[1]!.find(id))?.username, 'alice')
    assert.deepEqual(provider.received, ['r0'])
  })

  test('a refresh stores the new refresh token even if the claims cannot be read and become stale', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.requestRefresh = async () => ({ ...grant('r1'), claims: undefined })
    await clock.advance(4 * minute + 1)
    await sessions.find(id)
    await clock.advance(1)
    assert.equal((await sessions.read(id))?.refreshToken, 'r1')
    await clock.advance(5 * minute)
    assert.ok(await sessions.find(id))
    await clock.advance(minute)
    await assert.rejects(async () => sessions.find(id), { code: 'provider_unavailable' })
  })

  test('when a refresh does not confirm the groups, the session ends after the grace period, without repeated calls to the provider', async () => {
    const { replicas, login, clock, provider, grant, refreshFailures } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    provider.requestRefresh = async (refreshToken) => {
      provider.received.push(refreshToken)
      return { ...grant(`r${provider.received.length}`), isFresh: false }
    }
    for (let second = 0; second < 600; second += 5) {
      for (const sessions of replicas) assert.equal((await sessions.find(id))?.username, 'alice', `second ${second}`)
      await clock.advance(5000)
    }
    assert.deepEqual(provider.received, ['r0', 'r1'])
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
    assert.deepEqual(provider.received, ['r0', 'r1'])
    assert.match(String(refreshFailures[0]), /no ID token/)
  })

  test('a refresh that does not confirm the groups of a long unused session ends it at once', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.requestRefresh = async () => ({ ...grant('r1'), isFresh: false })
    await clock.advance(30 * minute)
    assert.equal(await sessions.find(id), undefined)
  })

  test('a refresh that confirms the groups keeps the session, even if the previous refresh did not confirm them', async () => {
    const { sessions, login, clock, provider, grant } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    const isFresh = [false, true, true, true]
    provider.requestRefresh = async () => ({ ...grant('r'), isFresh: isFresh.shift() ?? true })
    for (let passed = 0; passed < 15; passed++) {
      await clock.advance(minute)
      assert.equal((await sessions.find(id))?.username, 'alice', `minute ${passed}`)
    }
  })

  test('a refresh with claims that are not a valid identity ends the session, so that the user can sign in again', async () => {
    const { sessions, login, clock, provider, grant, refreshFailures } = createReplicas()
    const id = await sessions.create(login)
    await sessions.find(id)
    provider.requestRefresh = async () => ({ ...grant('r1'), claims: { groups: ['staff'] } })
    await clock.advance(30 * minute)
    assert.equal(await sessions.find(id), undefined)
    assert.equal(await sessions.read(id), undefined)
    assert.equal((refreshFailures[0] as GatewayError).code, 'identity_invalid')
  })

  test('a refresh works for a session of an older release, which lacks the sources of its claims', async () => {
    const { sessions, login, clock, provider, memory, seal } = createReplicas()
    const id = await sessions.create(login)
    const { fromUserinfo: _, ...older } = (await sessions.read(id))!
    await memory.put(keyOf(id), { value: seal.close(id, older)!, ttlMs: hour })
    let fromUserinfo: unknown = 'not called'
    const { requestRefresh } = provider
    provider.requestRefresh = (token, session) => {
      fromUserinfo = session.fromUserinfo
      return requestRefresh(token, session)
    }
    await clock.advance(10 * minute)
    assert.equal((await sessions.find(id))?.username, 'alice')
    assert.equal(fromUserinfo, undefined)
  })

  test('a refresh does not restore a session that was revoked during the refresh', async () => {
    const { replicas, login, clock, provider, grant, memory } = createReplicas(2)
    const id = await replicas[0]!.create(login)
    for (const sessions of replicas) await sessions.find(id)
    const response = Promise.withResolvers<void>()
    provider.requestRefresh = async () => {
      await response.promise
      return grant('r1')
    }
    await clock.advance(4 * minute + 1)
    await replicas[0]!.find(id)
    await clock.advance(1)
    await replicas[1]!.revoke(id)
    response.resolve()
    await clock.advance(1)
    assert.equal(await memory.get(keyOf(id)), undefined)
    for (const sessions of replicas) assert.equal(await sessions.find(id), undefined)
  })
})

/** The provider responds to refreshes with these tokens only when the returned function has been called. */
function delayRefresh(provider: Provider, createTokens: () => GrantedTokens): () => void {
  const response = Promise.withResolvers<void>()
  provider.requestRefresh = async (refreshToken) => {
    provider.received.push(refreshToken)
    await response.promise
    return createTokens()
  }
  return response.resolve
}

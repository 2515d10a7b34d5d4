import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFindCurrent, createToIdentity, isFormSession, toLogin } from '../../../../src/login/form/user-session.ts'
import type { FormUser } from '../../../../src/login/form/users.ts'
import { createToIdentity as createProviderToIdentity } from '../../../../src/providers/oidc/claims.ts'
import type { SessionEnd } from '../../../../src/sessions/session.ts'

function userWith({ passwordHash = 'hash-1', groups = ['staff'] } = {}): FormUser {
  const identity = Object.freeze({ username: 'alice', groups, provider: 'users' })
  return { identified: { identity, isAmbient: true }, passwordHash }
}

const alice = userWith()

function createSessionsOf(user: FormUser | undefined) {
  const current = { user }
  const revoked: string[] = []
  const ends: SessionEnd[] = []
  const sessions = {
    find: (id: string) => (id === 'async' ? Promise.resolve(alice.identified.identity) : alice.identified.identity),
    revoke: async (id: string) => void revoked.push(id),
  }
  const find = createFindCurrent(() => current.user)(sessions, (end) => void ends.push(end))
  return { current, revoked, ends, find }
}

test('the session of a form contains neither the password hash nor a token, and expires by the lifetimes of sessions only', () => {
  const login = toLogin(alice, 1000)
  assert.doesNotMatch(JSON.stringify(login), /hash-1/)
  assert.equal(login.refreshToken, undefined)
  assert.equal(login.idToken, undefined)
  assert.ok(isFormSession(login))
  assert.ok(!isFormSession({ claims: { username: 'alice' } }))
})

test('the claims of a session give the current identity, and none if the user has been removed or changed in any way', () => {
  const { claims } = toLogin(alice, 1000)
  assert.equal(createToIdentity(() => alice)(claims), alice.identified.identity)
  for (const user of [undefined, userWith({ passwordHash: 'hash-2' }), userWith({ groups: [] })])
    assert.throws(() => createToIdentity(() => user)(claims), { code: 'identity_invalid' })
})

test('the session of a form gives no identity to a provider whose users are named by the claim username', () => {
  const claimMappings = { username: 'username', email: 'email', groups: 'groups', full_name: 'name' }
  const toIdentity = createProviderToIdentity({ claimMappings, provider: 'oidc' })
  assert.throws(() => toIdentity(toLogin(alice, 1000).claims), { code: 'identity_invalid' })
})

test('claims that a provider has invented give no identity of a user with a password', () => {
  const toIdentity = createToIdentity(() => alice)
  for (const fingerprint of [undefined, '', 'hash-1', true, null])
    assert.throws(() => toIdentity({ 'elastauth/username': 'alice', 'elastauth/user': fingerprint }), {
      code: 'identity_invalid',
    })
})

for (const id of ['sync', 'async']) {
  test(`a session that is found ${id === 'sync' ? 'in the cache' : 'in the store'} is served while its user is unchanged, and revoked once when the user changes`, async () => {
    const { current, revoked, ends, find } = createSessionsOf(alice)
    assert.equal(await find(id), alice.identified.identity)
    current.user = userWith({ passwordHash: 'hash-2' })
    assert.equal(await find(id), undefined)
    assert.deepEqual(revoked, [id])
    assert.deepEqual(ends, [{ username: 'alice', reason: 'user_changed' }])
  })
}

test('a cached session is found without a promise', () => {
  assert.equal(createSessionsOf(alice).find('sync'), alice.identified.identity)
})

test('the session of another provider is served without a look at the users', async () => {
  const identity = { username: 'alice', groups: [], provider: 'oidc' }
  const sessions = { find: () => identity, revoke: async () => {} }
  const find = createFindCurrent(() => assert.fail('looked up'))(sessions, () => {})
  assert.equal(find('id'), identity)
})

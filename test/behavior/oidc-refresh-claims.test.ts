import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Interceptor, rewriteJson } from '../support/oidc/faults.ts'
import type { OidcProviderOptions } from '../support/oidc/provider.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { eventually } from '../support/wait.ts'

/** Signs in a user whose tokens are valid for two seconds, at a provider that sends no ID token with a refresh. */
async function signIn(options: OidcProviderOptions, flags: Record<string, string> = {}, userinfo?: Interceptor) {
  const testBed = await createOidcTestBed({ lifetimes: { accessToken: 2 }, ...options })
  const { idp } = testBed
  if (userinfo) idp.intercept('userinfo', userinfo)
  const gateway = await testBed.startProxy(flags)
  const agent = createUserAgent()
  const { response } = await agent.visit(`${gateway.url}/app`, 'alice')
  assert.equal(response.status, 200)
  idp.intercept(
    'token',
    rewriteJson(({ id_token: _, ...rest }) => rest),
  )
  /** The status of a request with only alice's session. */
  const status = async () => (await agent.request(`${gateway.url}/app`)).status
  const whoami = async () => {
    const headers = { accept: 'application/json' }
    const response = await agent.request(`${gateway.url}/elastauth/whoami`, { headers })
    return (await response.json()) as { username?: string; email?: string; groups?: string[] }
  }
  const refreshes = () => idp.grants.filter(({ type }) => type === 'refresh_token').length
  const { groups: _, ...withoutGroups } = idp.accounts.get('alice')!
  return { idp, gateway, agent, status, whoami, refreshes, withoutGroups }
}

for (const claimsIn of ['userinfo', 'id_token'] as const) {
  const where = claimsIn === 'userinfo' ? 'came from userinfo' : 'came from userinfo and the ID token'
  test(`removes groups that ${where} when a refresh returns no ID token and userinfo omits the groups`, async () => {
    const { idp, status, withoutGroups } = await signIn({ claimsIn })
    assert.equal(await status(), 200)
    idp.accounts.set('alice', withoutGroups)
    await eventually(status, (found) => found === 403)
  })
}

test('ends a session whose groups came only from the ID token when refreshes return no ID token', async () => {
  const namesOnly = rewriteJson(({ sub, preferred_username }) => ({ sub, preferred_username }))
  const { gateway, status, refreshes } = await signIn({ claimsIn: 'id_token' }, { 'session.grace': '1s' }, namesOnly)
  await eventually(status, (found) => found === 302)
  assert.ok(refreshes() >= 1)
  await gateway.logged(({ message = '' }) => /cannot refresh a session: refreshes bring no ID token/.test(message))
})

test('keeps a session if userinfo confirms its groups at every refresh that returns no ID token', async () => {
  const { status, refreshes } = await signIn({ claimsIn: 'id_token' })
  const before = refreshes()
  await eventually(
    async () => assert.equal(await status(), 200),
    () => refreshes() - before >= 3,
  )
})

test('does not apply email_verified from the sign-in to an email address that userinfo returns later', async () => {
  const { idp, whoami } = await signIn({ claimsIn: 'id_token' })
  assert.equal((await whoami()).email, 'alice@example.com')
  idp.intercept(
    'userinfo',
    rewriteJson(({ email_verified: _, ...rest }) => ({ ...rest, email: 'boss@example.com' })),
  )
  const { username, email } = await eventually(whoami, (found) => found.email !== 'alice@example.com')
  assert.deepEqual([username, email], ['alice', undefined])
})

test('ends a session whose username changes to an email address that the provider has not verified', async () => {
  const { idp, status, whoami } = await signIn({ claimsIn: 'id_token' }, { 'oidc.claim_mappings.username': 'email' })
  assert.equal((await whoami()).username, 'alice@example.com')
  idp.intercept(
    'userinfo',
    rewriteJson(({ email_verified: _, ...rest }) => ({ ...rest, email: 'boss@example.com' })),
  )
  await eventually(status, (found) => found === 302)
})

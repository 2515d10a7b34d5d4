import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Interceptor, rewriteJson } from '../support/oidc/faults.ts'
import type { OidcProviderOptions } from '../support/oidc/provider.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { eventually } from '../support/wait.ts'

/** A signed-in user with tokens that live two seconds, and a provider that sends no ID token after the sign-in. */
async function signIn(options: OidcProviderOptions, flags: Record<string, string> = {}, userinfo?: Interceptor) {
  const world = await createOidcTestBed({ lifetimes: { accessToken: 2 }, ...options })
  const { idp } = world
  if (userinfo) idp.intercept('userinfo', userinfo)
  const gateway = await world.startProxy(flags)
  const agent = createUserAgent()
  const { response } = await agent.visit(`${gateway.url}/app`, 'alice')
  assert.equal(response.status, 200)
  idp.intercept(
    'token',
    rewriteJson(({ id_token: _, ...rest }) => rest),
  )
  /** What alice gets with only her session. */
  const status = async () => (await agent.request(`${gateway.url}/app`)).status
  const whoami = async () => {
    const answer = await agent.request(`${gateway.url}/elastauth/whoami`)
    return (await answer.json()) as { username?: string; email?: string; groups?: string[] }
  }
  const refreshes = () => idp.grants.filter(({ type }) => type === 'refresh_token').length
  const { groups: _, ...withoutGroups } = idp.accounts.get('alice')!
  return { idp, gateway, agent, status, whoami, refreshes, withoutGroups }
}

for (const claimsIn of ['userinfo', 'id_token'] as const) {
  const where = claimsIn === 'userinfo' ? 'userinfo gave' : 'userinfo and the ID token gave'
  test(`takes away groups that ${where} when a refresh brings no ID token and userinfo omits them`, async () => {
    const { idp, status, withoutGroups } = await signIn({ claimsIn })
    assert.equal(await status(), 200)
    idp.accounts.set('alice', withoutGroups)
    await eventually(status, (found) => found === 403)
  })
}

test('ends a session whose groups only the ID token gave when refreshes bring no ID token', async () => {
  const namesOnly = rewriteJson(({ sub, preferred_username }) => ({ sub, preferred_username }))
  const { gateway, status, refreshes } = await signIn({ claimsIn: 'id_token' }, { 'session.grace': '1s' }, namesOnly)
  await eventually(status, (found) => found === 302)
  assert.ok(refreshes() >= 1)
  await gateway.logged(({ message = '' }) => /cannot refresh a session: refreshes bring no ID token/.test(message))
})

test('keeps a session whose groups userinfo confirms at every refresh without an ID token', async () => {
  const { status, refreshes } = await signIn({ claimsIn: 'id_token' })
  const before = refreshes()
  await eventually(
    async () => assert.equal(await status(), 200),
    () => refreshes() - before >= 3,
  )
})

test('does not let the email_verified of the sign-in vouch for an address that userinfo gives later', async () => {
  const { idp, whoami } = await signIn({ claimsIn: 'id_token' })
  assert.equal((await whoami()).email, 'alice@example.com')
  idp.intercept(
    'userinfo',
    rewriteJson(({ email_verified: _, ...rest }) => ({ ...rest, email: 'boss@example.com' })),
  )
  const { username, email } = await eventually(whoami, (found) => found.email !== 'alice@example.com')
  assert.deepEqual([username, email], ['alice', undefined])
})

test('does not let a user become another one by an address that the provider has not verified', async () => {
  const { idp, status, whoami } = await signIn({ claimsIn: 'id_token' }, { 'oidc.claim_mappings.username': 'email' })
  assert.equal((await whoami()).username, 'alice@example.com')
  idp.intercept(
    'userinfo',
    rewriteJson(({ email_verified: _, ...rest }) => ({ ...rest, email: 'boss@example.com' })),
  )
  await eventually(status, (found) => found === 302)
})

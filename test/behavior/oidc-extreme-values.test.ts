import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { extremeDocument } from '../support/extreme-values.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import fc from '../support/property.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens } from './oidc-gateway.ts'

const names = [
  ...['sub', 'preferred_username', 'email', 'email_verified', 'groups', 'name', 'hasgroups', '_claim_names'],
  ...['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'nonce', 'azp', 'cnf', 'events', 'sid', 'auth_time', 'acr'],
  ...['active', 'scope', 'client_id', 'token_type', 'token_use', 'typ', 'username', '__proto__'],
]
const claims = extremeDocument(names)

/** Success or a client error, but not a server error. */
const allowedStatuses = [200, 400, 401, 403]

describe('extreme values in claims', async () => {
  const fixture = await createFixture()
  const idp = await createProviderFor()

  test('extreme values in a JSON Web Token and its header get 200, 400, 401 or 403', async () => {
    const { url } = await startTokens(fixture, idp)
    const header = fc.option(extremeDocument(['typ', 'cty']), { nil: {} })
    await fc.assert(
      fc.asyncProperty(claims, header, async (given, extra) => {
        const token = await idp.sign(given, extra)
        const { status } = await bearer(url, token)
        assert.ok(
          token.length > 12_000 || allowedStatuses.includes(status),
          `${status} for ${JSON.stringify(given).slice(0, 500)}`,
        )
      }),
      { numRuns: 300 },
    )
  })

  test('extreme values in userinfo get 200, 400, 401 or 403', async () => {
    const flags = { 'oidc.token_validation': 'userinfo' }
    const { url } = await startTokens(fixture, idp, { flags })
    let count = 0
    await fc.assert(
      fc.asyncProperty(claims, async (given) => {
        const undo = idp.intercept(
          'userinfo',
          respondJson(200, { sub: 'alice', preferred_username: 'alice', ...given }),
        )
        const { status } = await bearer(url, `opaque${count++}`)
        undo()
        assert.ok(allowedStatuses.includes(status), `${status} for ${JSON.stringify(given).slice(0, 500)}`)
      }),
      { numRuns: 300 },
    )
  })

  test('extreme values in userinfo beside a JSON Web Token get 200, 400, 401 or 403', async () => {
    const { url } = await startTokens(fixture, idp, { flags: { 'oidc.token_validation': 'both' } })
    let count = 0
    await fc.assert(
      fc.asyncProperty(claims, async (given) => {
        const undo = idp.intercept('userinfo', respondJson(200, { sub: 'alice', ...given }))
        const { status } = await bearer(url, await idp.sign({ jti: `${count++}` }))
        undo()
        assert.ok(allowedStatuses.includes(status), `${status} for ${JSON.stringify(given).slice(0, 500)}`)
      }),
      { numRuns: 200 },
    )
  })

  test('extreme values in introspection get 200, 400, 401 or 403', async () => {
    const { url } = await startTokens(fixture, idp, { flags: { 'oidc.token_validation': 'introspection' } })
    const usual = {
      active: true,
      client_id: idp.clientId,
      sub: 'alice',
      preferred_username: 'alice',
      groups: ['admins'],
    }
    const undo = idp.intercept('userinfo', respondJson(200, { sub: 'alice', groups: [] }))
    let count = 0
    await fc.assert(
      fc.asyncProperty(claims, async ({ active: _, ...given }) => {
        const undo = idp.intercept('introspection', respondJson(200, { ...usual, ...given }))
        const { status } = await bearer(url, `opaque${count++}`)
        undo()
        assert.ok(allowedStatuses.includes(status), `${status} for ${JSON.stringify(given).slice(0, 500)}`)
      }),
      { numRuns: 300 },
    )
    undo()
  })
})

describe('extreme values with sign-in through elastauth', async () => {
  const testBed = await createOidcTestBed()
  const { idp } = testBed
  const gateway = await testBed.startProxy()

  test('logout tokens with extreme values get 200 or 400', async () => {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    let count = 0
    await fc.assert(
      fc.asyncProperty(claims, async (given) => {
        const logoutToken = await idp.sign(
          { sub: 'alice', jti: `jti-${count++}`, events, ...given },
          { typ: 'logout+jwt' },
        )
        const body = new URLSearchParams({ logout_token: logoutToken })
        const { status } = await fetch(`${gateway.url}/elastauth/backchannel-logout`, { method: 'POST', body })
        assert.ok([200, 400, 413].includes(status), `${status} for ${JSON.stringify(given).slice(0, 500)}`)
      }),
      { numRuns: 200 },
    )
  })

  test('sign-ins with extreme values in tokens and claims get a session, 400 or 403, and the next sign-in works', async () => {
    const tokens = extremeDocument([
      'access_token',
      'token_type',
      'expires_in',
      'refresh_token',
      'id_token',
      'scope',
      'x',
    ])
    const signIn = async (agent: ReturnType<typeof createUserAgent>) => {
      const isCallback = (location: string) => location.startsWith(`${gateway.url}/elastauth/callback?`)
      const { url: callback, trail } = await agent.visit(`${gateway.url}/app`, 'alice', isCallback)
      return { callback, nonce: new URL(trail[1]!).searchParams.get('nonce')! }
    }
    const usual = { access_token: 'x', token_type: 'Bearer', refresh_token: 'y', expires_in: 300 }
    await fc.assert(
      fc.asyncProperty(claims, claims, fc.option(tokens, { nil: {}, freq: 3 }), async (idToken, userinfo, odd) => {
        const agent = createUserAgent()
        const { callback, nonce } = await signIn(agent)
        const usualClaims = { sub: 'alice', preferred_username: 'alice', nonce }
        const id_token = await idp.sign({ ...usualClaims, ...idToken })
        const undo = [
          idp.intercept('token', respondJson(200, { ...usual, id_token, ...odd })),
          idp.intercept('userinfo', respondJson(200, { sub: 'alice', ...userinfo })),
        ]
        const { status } = await agent.request(callback)
        const next = status === 303 ? (await agent.request(`${gateway.url}/app`)).status : 0
        for (const each of undo) each()
        const what = JSON.stringify([idToken, userinfo, odd]).slice(0, 500)
        assert.ok([303, 400, 403].includes(status), `${status} for ${what}`)
        assert.ok([0, 200, 302, 400, 403].includes(next), `${next} in the session for ${what}`)
      }),
      { numRuns: 100 },
    )
    const { response } = await createUserAgent().visit(`${gateway.url}/app`, 'alice')
    assert.equal(response.status, 200)
  })
})

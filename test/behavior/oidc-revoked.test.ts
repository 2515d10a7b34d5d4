import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const fixture = await createFixture()
const { elasticsearch } = fixture
const idp = await createProviderFor()

/** As a revocation at this time does; the password need not change for these tests. */
function revoke(username: string, notBefore: unknown): void {
  const user = elasticsearch.users.get(username)!
  const elastauth = { ...(user.metadata.elastauth as object), not_before: notBefore }
  elasticsearch.users.set(username, { ...user, metadata: { ...user.metadata, elastauth } })
}

describe('bearer tokens of a revoked user', async () => {
  const { url, logged } = await startTokens(fixture, idp, { flags: { 'cache.type': 'none' } })
  const now = Math.floor(Date.now() / 1000)
  const send = async (iat: number | undefined) => bearer(url, await idp.sign({ iat } as { iat: number }))

  test('a token from before the revocation or of the same second is 401 revoked, and a later one is accepted', async () => {
    assert.equal((await send(now)).status, 200)
    revoke('alice', now * 1000 - 500)
    for (const [iat, verdict] of [
      [now - 60, '401 revoked'],
      [now - 1, '401 revoked'],
      [now, '200 undefined'],
    ] as const)
      assert.equal((await verdictOf(await send(iat))).replace(/200 .*/, '200 undefined'), verdict, String(iat - now))
    const {
      'error.code': code,
      'event.action': action,
      'user.name': name,
    } = await logged((line) => line['error.code'] === 'revoked')
    assert.deepEqual([code, action, name], ['revoked', 'access_denied', 'alice'])
  })

  test('a token without iat is rejected once its user has been revoked', async () => {
    assert.equal(await verdictOf(await send(undefined)), '401 revoked')
  })
})

describe('sessions of a revoked user', async () => {
  const origin = await startWithLogin()

  async function startWithLogin(): Promise<string> {
    const { url } = await fixture.start({
      flags: {
        ...{ auth_provider: 'oidc', 'oidc.issuer': idp.issuer, 'oidc.client_id': idp.clientId },
        'oidc.timeout': '30s', // on a busy machine, a call may take longer than the default of 5 s
        ...{ 'proxy.enabled': 'true', 'proxy.elasticsearch_url': fixture.elasticsearchUrl, 'cache.type': 'none' },
      },
      env: { ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret },
    })
    idp.register(url)
    return url
  }

  test('a browser whose session is revoked is redirected to the sign-in, and the new session works', async () => {
    const agent = createUserAgent()
    await agent.visit(`${origin}/app`, 'bob')
    const former = agent.cookies(origin)
    assert.equal((await agent.request(`${origin}/app`)).status, 200)
    revoke('bob', Date.now())
    const script = await agent.request(`${origin}/app`, {
      headers: { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' },
    })
    assert.equal(await verdictOf(script), '401 revoked')
    const { response, trail } = await agent.visit(`${origin}/app`, 'bob')
    assert.equal(response.status, 200)
    assert.ok(trail.some((url) => url.startsWith(idp.issuer)))
    // The former session has ended: its cookie no longer leads to the user at all.
    const copy = createUserAgent()
    const withCopy = await copy.request(`${origin}/app`, {
      headers: { cookie: former, accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    })
    assert.equal(await verdictOf(withCopy), '401 identity_missing')
  })

  test('a time of revocation in the future shows an error with Retry-After, and does not redirect in a loop', async () => {
    const agent = createUserAgent()
    await agent.visit(`${origin}/app`, 'bob')
    revoke('bob', Date.now() + 3_600_000)
    const response = await agent.request(`${origin}/app`)
    assert.equal(response.status, 401)
    const seconds = Number(response.headers.get('retry-after'))
    assert.ok(seconds > 3000 && seconds <= 3600, String(seconds))
    assert.match(await response.text(), /You have been signed out/)
  })
})

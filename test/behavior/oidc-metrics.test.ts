import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scrape } from '../support/metrics.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { eventually } from '../support/wait.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens } from './oidc-gateway.ts'

const flags = { enable_metrics: 'true' }

test('the metrics count sign-ins, sign-outs and sessions, and the calls to the provider by operation', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy(flags)
  const [alice, bob] = [createUserAgent(), createUserAgent()]
  await alice.visit(`${url}/app`, 'alice')
  await bob.visit(`${url}/app`, 'bob')
  const signedIn = await scrape(url)
  assert.equal(signedIn('elastauth_sign_ins_total{result="success"}'), 2)
  assert.equal(signedIn('elastauth_sessions'), 2)
  for (const operation of ['discovery', 'jwks', 'token', 'userinfo']) {
    const calls = signedIn(`elastauth_provider_requests_total{operation="${operation}",result="ok"}`)
    assert.ok(calls! > 0, operation)
    assert.equal(signedIn(`elastauth_provider_request_duration_seconds_count{operation="${operation}"}`), calls)
  }

  await alice.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
  const token = await idp.sign(
    { sub: 'bob', jti: 'jti-1', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    { typ: 'logout+jwt' },
  )
  const body = new URLSearchParams({ logout_token: token })
  assert.equal((await fetch(`${url}/elastauth/backchannel-logout`, { method: 'POST', body })).status, 200)
  const signedOut = await scrape(url)
  assert.equal(signedOut('elastauth_sign_outs_total{by="user"}'), 1)
  assert.equal(signedOut('elastauth_sign_outs_total{by="provider"}'), 1)
  assert.equal(signedOut('elastauth_sessions'), 0)
})

test('the metrics count a sign-in that the provider denies, and one that fails', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy(flags)
  const agent = createUserAgent()
  const redirect = await agent.request(`${url}/app`)
  const { searchParams } = new URL(redirect.headers.get('location')!)
  const query = new URLSearchParams({
    error: 'access_denied',
    state: searchParams.get('state')!,
    iss: idp.issuer,
  })
  assert.equal((await agent.request(`${url}/elastauth/callback?${query}`)).status, 403)
  assert.equal((await agent.request(`${url}/elastauth/callback?code=x&state=invented`)).status, 400)
  const samples = await scrape(url)
  assert.equal(samples('elastauth_sign_ins_total{result="denied"}'), 1)
  assert.equal(samples('elastauth_sign_ins_total{result="failure"}'), 1)
  assert.equal(samples('elastauth_sign_ins_total{result="success"}'), 0)
})

test('the metrics count refreshes that succeed, that fail, and that the provider rejects', async () => {
  const { idp, startProxy } = await createOidcTestBed({ lifetimes: { accessToken: 2 } })
  const { url } = await startProxy(flags)
  const agent = createUserAgent()
  await agent.visit(`${url}/app`, 'alice')
  const untilRefreshed = (result: string) =>
    eventually(
      async () => {
        await agent.request(`${url}/app`)
        return (await scrape(url))(`elastauth_session_refreshes_total{result="${result}"}`)!
      },
      (count) => count > 0,
    )
  await untilRefreshed('success')
  idp.intercept('token', respondJson(503, {}))
  await untilRefreshed('failure')
  assert.ok((await scrape(url))('elastauth_provider_requests_total{operation="token",result="unavailable"}')! > 0)
  idp.intercept('token', respondJson(400, { error: 'invalid_grant' }))
  await untilRefreshed('rejected')
  assert.ok((await scrape(url))('elastauth_provider_requests_total{operation="token",result="rejected"}')! > 0)
})

test('the metrics count introspections, and have no sign-ins if users do not sign in through elastauth', async () => {
  const provider = await createProviderFor()
  const gateway = await startTokens(await createFixture(), provider, {
    flags: { ...flags, 'oidc.token_validation': 'introspection' },
  })
  await bearer(gateway.url, 'an-opaque-token')
  const samples = await scrape(gateway.url)
  const counted = ['ok', 'rejected'].map((result) =>
    samples(`elastauth_provider_requests_total{operation="introspection",result="${result}"}`),
  )
  assert.ok(counted[0]! + counted[1]! > 0)
  assert.equal(samples('elastauth_sign_ins_total{result="success"}'), undefined)
  assert.equal(samples('elastauth_sessions'), undefined)
})

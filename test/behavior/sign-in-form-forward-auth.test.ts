import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { createFormTestBed, fieldsOf, passwords, submitForm } from '../support/sign-in-form.ts'

const host = 'kibana.example.com'
const site = `https://${host}`

describe('the sign-in form in auth-only mode', async () => {
  const { startForwardAuth } = await createFormTestBed()
  const gateway = await startForwardAuth()
  const { url } = gateway
  const { url: nginx } = await startForwardAuth({ flags: { 'forward_auth.profile': 'nginx' } })
  const { url: untrusting } = await startForwardAuth({ flags: { trusted_proxies: 'none' } })

  /** What a proxy adds to a request that it routes to elastauth's pages. */
  const routed = { host, 'x-forwarded-proto': 'https', 'x-forwarded-host': host }

  /** Sends the sub-request of a proxy about a request of this browser. */
  function authorize(agent: UserAgent, target: string, more: Record<string, string> = {}, to = url): Promise<Response> {
    const headers = { ...routed, 'x-forwarded-uri': target, 'x-forwarded-method': 'GET', ...more }
    return agent.request(`${to}/`, { headers })
  }

  async function signIn(agent = createUserAgent()) {
    const page = await agent.request(`${url}/elastauth/login?return_to=%2Fapp%3Fx%3D1`, { headers: routed })
    assert.equal(page.status, 200)
    const fields = fieldsOf(await page.text())
    fields.set('username', 'alice')
    fields.set('password', passwords.alice)
    return { agent, response: await submitForm(agent, url, fields, routed) }
  }

  for (const [profile, to, status] of [
    ['generic', () => url, 302],
    ['nginx', () => nginx, 401],
  ] as const) {
    test(`with the profile ${profile}, the response to a sub-request about a navigation is ${status} and leads to the form`, async () => {
      const response = await authorize(
        createUserAgent(),
        '/app?x=1',
        { 'x-original-url': `${site}/app?x=1`, 'x-original-method': 'GET' },
        to(),
      )
      assert.equal(response.status, status)
      assert.equal(response.headers.get('location'), `${site}/elastauth/login?return_to=%2Fapp%3Fx%3D1`)
      assert.deepEqual(response.headers.getSetCookie(), [])
    })
  }

  test('the form on the route to the pages creates a session, with which sub-requests get a credential', async () => {
    const { agent, response } = await signIn()
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), '/app?x=1')
    assert.equal(response.headers.get('authorization'), null)
    const authorized = await authorize(agent, '/app?x=1')
    assert.equal(authorized.status, 200)
    assert.match(authorized.headers.get('authorization')!, /^Basic /)
    assert.equal(((await authorized.json()) as { username: string }).username, 'alice')
  })

  test('a sub-request about a write from another site is rejected with 403 although the browser has a session (CSRF)', async () => {
    const { agent } = await signIn()
    const headers = { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site' }
    assert.equal((await authorize(agent, '/app', headers)).status, 403)
  })

  test('a sub-request from a peer that is not trusted gets 401 and no credential although it has the cookie of a session', async () => {
    const { agent } = await signIn()
    const cookie = agent.cookies(url)
    const response = await authorize(createUserAgent(), '/app', { cookie }, untrusting)
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('authorization'), null)
  })

  for (const method of ['GET', 'POST']) {
    test(`a sub-request about a ${method} of the form is rejected, and the log says to route the page to elastauth`, async () => {
      const response = await authorize(createUserAgent(), '/elastauth/login', { 'x-forwarded-method': method })
      assert.equal(response.status, 400)
      const { message } = await gateway.logged((line) => line['error.code'] === 'login_failed')
      assert.match(message!, /let the proxy route \/elastauth\/login to elastauth without a sub-request/)
    })
  }

  test('a sign-out on the route to the pages ends the session for sub-requests', async () => {
    const { agent } = await signIn()
    const response = await agent.request(`${url}/elastauth/logout`, {
      headers: { ...routed, 'sec-fetch-site': 'same-origin' },
    })
    assert.match(await response.text(), /You are signed out/)
    assert.equal((await authorize(agent, '/app')).status, 302)
  })
})

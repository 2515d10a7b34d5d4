import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keyOf } from '../../src/sessions/session-id.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { createFormTestBed, passwords, signInWithForm } from '../support/sign-in-form.ts'

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
const safari =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1'

const idOf = (agent: UserAgent, url: string) => /__Host-elastauth-session=([\w-]+)/.exec(agent.cookies(url))?.[1] ?? ''
const endIds = (page: string) => [...page.matchAll(/name="end" value="([\w-]{43})"/g)].map(([, id]) => id!)

function post(agent: UserAgent, url: string, end: string, headers: Record<string, string> = {}): Promise<Response> {
  return agent.request(`${url}/elastauth/account`, {
    body: new URLSearchParams({ end }),
    headers: { 'sec-fetch-site': 'same-origin', ...headers },
  })
}

describe('the account page', async () => {
  const bed = await createFormTestBed()
  const gateway = await bed.startProxy({ flags: { enable_metrics: 'true' } })
  const { url } = gateway

  async function signIn(username: 'alice' | 'bob' | 'carol', userAgent = firefox): Promise<UserAgent> {
    const agent = createUserAgent({ 'user-agent': userAgent })
    const { response } = await signInWithForm(url, username, { password: passwords[username], agent })
    assert.equal(response.status, 303)
    return agent
  }
  const isSignedIn = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200
  const pageOf = async (agent: UserAgent) => (await agent.request(`${url}/elastauth/account`)).text()
  const endAll = async (agent: UserAgent) => assert.equal((await post(agent, url, 'all')).status, 303)

  test('the account page shows the identity, the roles, and each session with its browser and times, and no session id', async () => {
    const desktop = await signIn('alice')
    const phone = await signIn('alice', safari)
    const response = await desktop.request(`${url}/elastauth/account`)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.match(response.headers.get('content-security-policy')!, /form-action 'self'; frame-ancestors 'none'$/)
    const page = await response.text()
    assert.match(page, /<h1>You are signed in as alice<\/h1>/)
    assert.match(page, /<dt>Roles<\/dt><dd>superuser<\/dd>/)
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d UTC`
    assert.match(
      page,
      new RegExp(`Firefox on Linux</strong> <em>this session</em><small>Signed in ${time}, in use now<`),
    )
    assert.match(page, new RegExp(`Safari on iOS</strong><small>Signed in ${time}, last used less than a minute ago<`))
    assert.deepEqual(endIds(page), [keyOf(idOf(phone, url))])
    assert.doesNotMatch(page, /<script|Mozilla/)
    for (const agent of [desktop, phone]) assert.ok(!page.includes(idOf(agent, url)))
    await endAll(desktop)
  })

  test('a user ends one of two other sessions, which is rejected at its next request and logged', async () => {
    const [agent, second, third] = [await signIn('alice'), await signIn('alice'), await signIn('alice')]
    assert.ok(await isSignedIn(second))
    const response = await post(agent, url, keyOf(idOf(second, url)))
    assert.deepEqual([response.status, response.headers.get('location')], [303, '/elastauth/account'])
    assert.deepEqual([await isSignedIn(agent), await isSignedIn(second), await isSignedIn(third)], [true, false, true])
    const line = await gateway.logged((entry) => entry['event.reason'] === 'ended_by_user')
    assert.deepEqual([line['event.action'], line['user.name']], ['session_ended', 'alice'])
    assert.ok(line['http.request.id'])
    await endAll(agent)
  })

  test('a user ends all other sessions, and then all of them, with those of other users kept', async () => {
    const [agent, second, third, bob] = [
      await signIn('alice'),
      await signIn('alice'),
      await signIn('alice'),
      await signIn('bob'),
    ]
    await post(agent, url, 'others')
    assert.deepEqual([await isSignedIn(agent), await isSignedIn(second), await isSignedIn(third)], [true, false, false])
    const page = await pageOf(agent)
    assert.deepEqual(endIds(page), [])
    assert.doesNotMatch(page, /End all other sessions/)
    const fourth = await signIn('alice')
    const response = await post(agent, url, 'all')
    assert.deepEqual([response.status, response.headers.get('location')], [303, '/elastauth/signed-out'])
    assert.equal(idOf(agent, url), '')
    assert.deepEqual([await isSignedIn(agent), await isSignedIn(fourth), await isSignedIn(bob)], [false, false, true])
    await endAll(bob)
  })

  test('a user who ends the session in use is signed out', async () => {
    const agent = await signIn('alice')
    const response = await post(agent, url, keyOf(idOf(agent, url)))
    assert.equal(response.headers.get('location'), '/elastauth/signed-out')
    assert.equal(idOf(agent, url), '')
    assert.equal(await isSignedIn(agent), false)
  })

  test("a user cannot end another user's session, with its id in the list or its id in the cookie", async () => {
    const [alice, bob] = [await signIn('alice'), await signIn('bob')]
    for (const end of [keyOf(idOf(alice, url)), idOf(alice, url), '__proto__', '']) await post(bob, url, end)
    assert.deepEqual([await isSignedIn(alice), await isSignedIn(bob)], [true, true])
    await endAll(alice)
    await endAll(bob)
  })

  test('a user whose groups grant no access sees why, and can end sessions', async () => {
    const agent = await signIn('carol')
    assert.match(await pageOf(agent), /You have no access: None of your groups is mapped to a role\./)
    await endAll(agent)
  })

  for (const [source, headers] of [
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a neighboring host', { 'sec-fetch-site': 'same-site' }],
    ['another site in an older browser', { 'sec-fetch-site': '', origin: 'https://evil.example' }],
    ['a sandboxed frame in an older browser', { 'sec-fetch-site': '', origin: 'null' }],
    ['an unknown site', { 'sec-fetch-site': '' }],
  ] as [string, Record<string, string>][]) {
    test(`CSRF: a form from ${source} gets 403 and ends no session`, async () => {
      const agent = await signIn('alice')
      assert.equal((await post(agent, url, 'all', headers)).status, 403)
      assert.ok(await isSignedIn(agent))
      await endAll(agent)
    })
  }

  test('a form without exactly one field, of another type or that is too long ends no session', async () => {
    const agent = await signIn('alice')
    const send = async (body: URLSearchParams, headers: Record<string, string> = {}) =>
      (
        await agent.request(`${url}/elastauth/account`, {
          body,
          headers: { 'sec-fetch-site': 'same-origin', ...headers },
        })
      ).status
    assert.equal(await send(new URLSearchParams()), 400)
    assert.equal(await send(new URLSearchParams('end=all&end=all')), 400)
    assert.equal(await send(new URLSearchParams({ end: 'all' }), { 'content-type': 'text/plain' }), 400)
    assert.equal(await send(new URLSearchParams({ end: 'x'.repeat(2000) })), 413)
    assert.ok(await isSignedIn(agent))
    await endAll(agent)
  })

  test('a password, even with the cookie of another user, shows the identity alone and ends no session', async () => {
    const agent = await signIn('alice')
    const authorization = `Basic ${btoa(`bob:${passwords.bob}`)}`
    for (const cookie of ['', agent.cookies(url)]) {
      const response = await agent.request(`${url}/elastauth/account`, { headers: { authorization, cookie } })
      const page = await response.text()
      assert.match(page, /You are signed in as bob/)
      assert.doesNotMatch(page, /<form|session/)
      assert.equal((await post(agent, url, 'all', { authorization, cookie })).status, 403)
    }
    assert.ok(await isSignedIn(agent))
    await endAll(agent)
  })

  test('without an identity the account page responds with 401 and a link to the sign-in', async () => {
    const response = await createUserAgent().request(`${url}/elastauth/account`)
    assert.equal(response.status, 401)
    assert.match(await response.text(), /href="\/elastauth\/login"/)
    assert.equal((await post(createUserAgent(), url, 'all')).status, 401)
  })

  test('the start page leads to the account page', async () => {
    const page = await (await createUserAgent().request(`${url}/elastauth/start`)).text()
    assert.match(page, /<a href="\/elastauth\/account">Show my account<\/a>/)
  })
})

test('in auth-only mode the account page works for requests of the proxy, and is not served to sub-requests or other peers', async () => {
  const bed = await createFormTestBed()
  const { url } = await bed.startForwardAuth()
  const { agent } = await signInWithForm(url)
  const { agent: other } = await signInWithForm(url)
  assert.match(await (await agent.request(`${url}/elastauth/account`)).text(), /<em>this session<\/em>/)
  for (const name of ['x-forwarded-uri', 'x-original-url', 'x-forwarded-method']) {
    const headers = { [name]: name === 'x-forwarded-method' ? 'GET' : '/elastauth/account' }
    assert.equal((await agent.request(`${url}/elastauth/account`, { headers })).status, 403)
    assert.equal((await post(agent, url, 'all', headers)).status, 403)
  }
  assert.equal((await post(agent, url, keyOf(idOf(other, url)))).status, 303)
  assert.equal((await other.request(url, { headers: { accept: 'application/json' } })).status, 302)
  const strict = await bed.startForwardAuth({ flags: { trusted_proxies: '192.0.2.1' } })
  const cookie = (await signInWithForm(strict.url)).agent.cookies(strict.url)
  assert.equal((await post(createUserAgent({ cookie }), strict.url, 'all')).status, 401)
})

test('the account page does not exist if users do not sign in at elastauth', async () => {
  const bed = await createFormTestBed()
  const { url } = await bed.startProxy({ flags: { 'users.login': 'false' } })
  const headers = { authorization: `Basic ${btoa(`alice:${passwords.alice}`)}` }
  assert.equal((await fetch(`${url}/elastauth/account`, { headers })).status, 404)
})

test('the account page shows the sessions of a provider and of the form together, because both open the same Elasticsearch user', async () => {
  const { users, ...rest } = await import('../support/sign-in-form.ts')
  const bed = await createOidcTestBed()
  const { url } = await bed.startProxy(
    { auth_providers: 'oidc,users' },
    { ...rest.usersEnv, ELASTAUTH_USERS_INLINE: JSON.stringify(users) },
  )
  const form = createUserAgent({ 'user-agent': safari })
  await signInWithForm(url, 'alice', { agent: form })
  const atProvider = createUserAgent({ 'user-agent': firefox })
  const begin = await atProvider.request(`${url}/elastauth/login?with=provider`)
  await atProvider.visit(begin.headers.get('location')!, 'alice')
  const page = await (await atProvider.request(`${url}/elastauth/account`)).text()
  assert.match(page, /Firefox on Linux<\/strong> <em>this session/)
  assert.deepEqual(endIds(page), [keyOf(idOf(form, url))])
  await post(atProvider, url, 'others')
  assert.equal((await form.request(`${url}/app`)).status, 302)
  assert.equal((await atProvider.request(`${url}/app`)).status, 200)
})

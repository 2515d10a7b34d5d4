import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { respondJson } from '../support/oidc/faults.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'

const { idp, appRequests, startProxy, startForwardAuth } = await createOidcTestBed()

describe('cookie tossing by a neighboring host that sets a cookie for the whole domain', async () => {
  const { url } = await startProxy()

  test('cookie tossing: a session cookie inside the value of another cookie does not authenticate', async () => {
    const mallory = createUserAgent()
    await mallory.visit(`${url}/app`, 'bob')
    for (const separator of [' ', ', ', '\t', '" ']) {
      const cookie = `theme=dark${separator}${mallory.cookies(url)}`
      const response = await createUserAgent().request(`${url}/app`, { headers: { cookie } })
      assert.equal(response.status, 302, JSON.stringify(separator))
    }
  })

  test('cookie tossing: a login cookie inside the value of another cookie does not complete a login', async () => {
    const mallory = createUserAgent()
    const { url: callback } = await mallory.visit(`${url}/app`, 'bob', (to) => to.includes('/callback'))
    const cookie = `theme=dark ${mallory.cookies(url)}`
    const response = await createUserAgent().request(callback, { headers: { cookie } })
    assert.equal(response.status, 400)
    assert.deepEqual(response.headers.getSetCookie(), [])
  })

  test("cookie tossing: a session cookie inside the value of another cookie does not invalidate the user's session", async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const cookie = `${alice.cookies(url)}; theme=dark __Host-elastauth-session=${'x'.repeat(43)}`
    const response = await alice.request(`${url}/app`, { headers: { cookie } })
    assert.equal(response.status, 200)
  })
})

describe('CSRF: a token in a cookie, which browsers also send cross-site', async () => {
  const { url } = await startProxy()
  const { url: forwardAuth } = await startForwardAuth()
  const cookie = `access_token=${await idp.sign()}`
  const evil = 'https://evil.example'

  test('CSRF: a write with a token cookie and a foreign Origin gets 403 even without Sec-Fetch-Site', async () => {
    for (const origin of [evil, 'null']) {
      const before = appRequests.length
      const response = await fetch(`${url}/_bulk`, { method: 'POST', headers: { cookie, origin }, body: '{}' })
      assert.equal(response.status, 403)
      assert.equal(appRequests.length, before)
    }
    const sameOrigin = await fetch(`${url}/_bulk`, { method: 'POST', headers: { cookie, origin: url }, body: '{}' })
    assert.equal(sameOrigin.status, 200)
  })

  test('CSRF: a WebSocket with a token cookie and a foreign Origin gets 403', async () => {
    const { host, port } = new URL(url)
    const connection = openRaw(Number(port))
    const upgradeHeaders = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: a2V5',
      'Sec-WebSocket-Version: 13',
    ]
    connection.send(
      ['GET /ws HTTP/1.1', `Host: ${host}`, ...upgradeHeaders, `Origin: ${evil}`, `Cookie: ${cookie}`, '', ''].join(
        '\r\n',
      ),
    )
    assert.match(await connection.closed, /^HTTP\/1.1 403 [\s\S]*"cross_site"/)
  })

  test('CSRF: a sub-request about a WebSocket with a foreign Origin gets 403 even if the proxy has stripped Upgrade', async () => {
    const proxied = {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'kibana.example.com',
      'sec-websocket-key': 'a2V5',
    }
    for (const source of [{ origin: evil }, { 'sec-fetch-site': 'cross-site', origin: evil }] as Record<
      string,
      string
    >[]) {
      const response = await fetch(forwardAuth, { headers: { cookie, ...proxied, ...source } })
      assert.equal(response.status, 403)
      assert.equal(response.headers.get('authorization'), null)
    }
    const sameOrigin = await fetch(forwardAuth, {
      headers: { cookie, ...proxied, origin: 'https://kibana.example.com' },
    })
    assert.equal(sameOrigin.status, 200)
  })
})

describe('CSRF with a token in a header', async () => {
  const token = await idp.sign()
  const crossSite = { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' }

  async function statusesOf(flags: Record<string, string>, header: Record<string, string>): Promise<number[]> {
    const [{ url }, { url: forwardAuth }] = await Promise.all([startProxy(flags), startForwardAuth(flags)])
    const headers = { ...header, ...crossSite }
    const responses = await Promise.all([
      fetch(`${url}/_bulk`, { method: 'POST', headers, body: '{}' }),
      fetch(forwardAuth, { headers: { ...headers, 'x-forwarded-method': 'POST' } }),
      fetch(`${url}/_search`, { headers }),
    ])
    return responses.map(({ status }) => status)
  }

  test('CSRF: accepts a cross-site write with a bearer token, which other sites cannot make a browser send', async () => {
    const authorization = `Bearer ${token}`
    assert.deepEqual(await statusesOf({ 'oidc.token_header': 'X-Token' }, { authorization }), [200, 200, 200])
  })

  test('CSRF: a cross-site write with a token in oidc.token_header, which a proxy adds to every request, gets 403', async () => {
    const flags = { 'oidc.token_header': 'X-Token' }
    assert.deepEqual(await statusesOf(flags, { 'x-token': token }), [403, 403, 200])
    const authorization = `Bearer ${token}`
    assert.deepEqual(await statusesOf({ 'oidc.token_header': 'Authorization' }, { authorization }), [403, 403, 200])
  })
})

describe('logout CSRF: an image with the logout URL', async () => {
  const { url } = await startProxy()

  test('logout CSRF: an image with the logout URL does not end the session', async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const headers = {
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'no-cors',
      'sec-fetch-dest': 'image',
      accept: 'image/*',
    }
    await alice.request(`${url}/elastauth/logout`, { headers })
    assert.equal((await alice.request(`${url}/app`)).status, 200)
  })
})

describe("the id_token_hint in the URL of the provider's logout", async () => {
  const { url } = await startProxy({ trusted_proxies: 'none' })

  test('the id_token_hint of a logout does not authenticate, neither as a bearer token nor in a cookie', async () => {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const logout = await alice.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    const hint = new URL(logout.headers.get('location')!).searchParams.get('id_token_hint')
    const authorization = `Bearer ${hint}`
    assert.equal((await fetch(url, { headers: { authorization } })).status, 401)
    assert.equal((await fetch(url, { headers: { cookie: `id_token=${hint}` } })).status, 401)
    // An ID token that another application with the same client has obtained is accepted.
    const other = `Bearer ${await idp.sign({ nonce: 'n-0S6_WzA2Mj'.padEnd(65, 'x') })}`
    assert.equal((await fetch(url, { headers: { authorization: other } })).status, 200)
  })
})

describe('the id_token_hint where the provider is asked about tokens', async () => {
  const introspecting = await startProxy({ trusted_proxies: 'none', 'oidc.token_validation': 'introspection' })
  const asking = await startProxy({ trusted_proxies: 'none', 'oidc.token_validation': 'userinfo' })

  async function signOut(url: string) {
    const alice = createUserAgent()
    await alice.visit(`${url}/app`, 'alice')
    const logout = await alice.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    const hint = new URL(logout.headers.get('location')!).searchParams.get('id_token_hint')!
    const { nonce, sub } = JSON.parse(Buffer.from(hint.split('.')[1]!, 'base64url').toString())
    return { hint, nonce, claims: { sub, preferred_username: 'alice', groups: ['staff'] } }
  }

  const statusOf = async (url: string, token: string) =>
    (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status

  test('the id_token_hint of a logout does not authenticate, even if introspection says that it is active', async () => {
    const { url } = introspecting
    const { hint, nonce, claims } = await signOut(url)
    const usual = { active: true, client_id: idp.clientId, ...claims }
    for (const [token, response, status] of [
      [hint, usual, 401], // the response need not contain the nonce (RFC 7662, section 2.2)
      ['opaque-1', { ...usual, nonce }, 401],
      ['opaque-2', { ...usual, nonce: 'of another application' }, 200],
      [await idp.sign({ nonce: 'of another application' }), usual, 200],
    ] as const) {
      const undo = idp.intercept('introspection', respondJson(200, response))
      assert.equal(await statusOf(url, token), status, token)
      undo()
    }
  })

  test('the id_token_hint of a logout does not authenticate, even if userinfo accepts it', async () => {
    const { url } = asking
    const { hint, claims } = await signOut(url)
    const undo = idp.intercept('userinfo', respondJson(200, claims))
    assert.deepEqual([await statusOf(url, hint), await statusOf(url, await idp.sign())], [401, 200])
    undo()
  })
})

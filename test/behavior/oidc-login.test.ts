import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LogLine } from '../support/gateway.ts'
import { respondJson } from '../support/oidc/faults.ts'
import { createSigningKey } from '../support/oidc/keys.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'

const sessionCookie = /__Host-elastauth-session=([A-Za-z0-9_-]{43})/

describe('the login', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const gateway = await startProxy()
  const { url } = gateway
  const isCallback = (location: string) => location.startsWith(`${url}/elastauth/callback?`)

  /** A user who has signed in at the provider, with the callback not requested yet. */
  async function signInUntilCallback(agent = createUserAgent(), username = 'alice', start = `${url}/app/home?a=1`) {
    const { url: callback, trail } = await agent.visit(start, username, isCallback)
    return { agent, callback: new URL(callback), nonce: new URL(trail[1]!).searchParams.get('nonce')! }
  }

  function assertNoSession(response: Response, agent = createUserAgent()) {
    assert.ok(!response.headers.getSetCookie().some((line) => sessionCookie.test(line)))
    assert.doesNotMatch(agent.cookies(url), sessionCookie)
  }

  test('redirects to the provider and back to the requested page', async () => {
    const agent = createUserAgent()
    const { response, url: finalUrl, body } = await agent.visit(`${url}/app/discover?q=%22x%22&r=a%20b`, 'alice')
    assert.equal(response.status, 200)
    assert.equal(finalUrl, `${url}/app/discover?q=%22x%22&r=a%20b`)
    assert.match(body, /Hello alice/)
    const cookies = agent.cookies(url)
    assert.match(cookies, sessionCookie)
    assert.doesNotMatch(cookies, /login/)
    assert.ok(cookies.length <= 100)
  })

  test('sends state, nonce and PKCE challenge to the provider, and sets a cookie that scripts and other hosts cannot read', async () => {
    const response = await createUserAgent().request(`${url}/app`)
    assert.equal(response.status, 302)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const { searchParams } = new URL(response.headers.get('location')!)
    assert.equal(searchParams.get('code_challenge_method'), 'S256')
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(searchParams.get(name)!.length >= 43)
    assert.equal(searchParams.get('redirect_uri'), `${url}/elastauth/callback`)
    const [cookie = '', ...more] = response.headers.getSetCookie()
    assert.deepEqual(more, [])
    assert.match(
      cookie,
      /^__Host-elastauth-login-\d+=[\w-]{22}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600$/,
    )
  })

  for (const [name, change] of [
    ['no state', (query: URLSearchParams) => query.delete('state')],
    [
      'an invented state',
      (query: URLSearchParams) => query.set('state', '1.bm90IG91cnMgYXQgYWxsLCBidXQgbG9uZyBlbm91Z2g'),
    ],
    ['two states', (query: URLSearchParams) => query.append('state', query.get('state')!)],
    [
      'a modified state',
      (query: URLSearchParams) =>
        query.set(
          'state',
          query.get('state')!.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')),
        ),
    ],
    ['an empty state', (query: URLSearchParams) => query.set('state', '')],
  ] as const) {
    test(`a callback with ${name} gets 400 and no session`, async () => {
      const { agent, callback } = await signInUntilCallback()
      change(callback.searchParams)
      const response = await agent.request(callback.href)
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
    })
  }

  test('login CSRF: a callback from another browser gets 400 and no session', async () => {
    const { agent, callback } = await signInUntilCallback()
    const [cookieName = ''] = agent.cookies(url).split('=')
    let victim = createUserAgent()
    do {
      victim = createUserAgent()
      await victim.request(`${url}/app`) // begins a login of its own
    } while (victim.cookies(url).startsWith(`${cookieName}=`))
    const response = await victim.request(callback.href)
    assert.equal(response.status, 400)
    assert.match(await response.text(), /\/elastauth\/login/)
    assertNoSession(response, victim)
  })

  test("login CSRF: the attacker's code with the victim's state gets 400", async () => {
    const attacker = await signInUntilCallback(undefined, 'bob')
    const victim = await signInUntilCallback()
    victim.callback.searchParams.set('code', attacker.callback.searchParams.get('code')!)
    const response = await victim.agent.request(victim.callback.href)
    assert.equal(response.status, 400)
    assertNoSession(response, victim.agent)
  })

  test('replay: a callback that was used before gets 400, and the first session stays', async () => {
    const { agent, callback } = await signInUntilCallback()
    const cookies = agent.cookies(url)
    const first = await agent.request(callback.href)
    assert.equal(first.status, 303)
    const again = await agent.request(callback.href)
    assert.equal(again.status, 400)
    assertNoSession(again)
    // The same with copied login cookies.
    const thief = createUserAgent()
    const stolen = await thief.request(callback.href, { headers: { cookie: cookies } })
    assert.equal(stolen.status, 400)
    assertNoSession(stolen, thief)
    assert.equal((await agent.request(`${url}/app`)).status, 200)
  })

  test('creates one session for three concurrent requests of the same callback', async () => {
    const { agent, callback } = await signInUntilCallback()
    const headers = { cookie: agent.cookies(url) }
    const responses = await Promise.all([1, 2, 3].map(() => createUserAgent().request(callback.href, { headers })))
    assert.deepEqual(responses.map(({ status }) => status).sort(), [303, 400, 400])
  })

  test('issuer mix-up (RFC 9207): rejects a callback from another issuer, or without the issuer that the provider always sends', async () => {
    for (const change of [
      (query: URLSearchParams) => query.set('iss', 'https://evil.example'),
      (query: URLSearchParams) => query.delete('iss'),
    ]) {
      const { agent, callback } = await signInUntilCallback()
      change(callback.searchParams)
      const before = idp.calls('token')
      const response = await agent.request(callback.href)
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
      assert.equal(idp.calls('token'), before) // the code is not sent
    }
  })

  const unsigned = (claims: object) =>
    [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const now = () => Math.floor(Date.now() / 1000)
  for (const [name, forge, reason = /./] of [
    ['with another nonce', () => idp.sign({ sub: 'alice', nonce: 'another' })],
    ['without a nonce', () => idp.sign({ sub: 'alice' })],
    ['signed by another key', (nonce: string) => idp.sign({ sub: 'alice', nonce }, {}, createSigningKey())],
    [
      'without a signature',
      async (nonce: string) =>
        `${unsigned({ iss: idp.issuer, aud: idp.clientId, sub: 'alice', nonce, iat: now(), exp: now() + 60 })}.`,
    ],
    ['for another client', (nonce: string) => idp.sign({ sub: 'alice', nonce, aud: 'another' })],
    [
      'of another issuer',
      (nonce: string) => idp.sign({ sub: 'alice', nonce, iss: 'https://evil.example' }),
      /issuer of the ID token is "https:\/\/evil\.example", oidc\.issuer is "http:[^"]+": .* write issuer: "https:\/\/evil/,
    ],
    [
      'that has expired',
      (nonce: string) => idp.sign({ sub: 'alice', nonce, iat: now() - 7200, exp: now() - 3600 }),
      /the exp of the new ID token is 36\d\d s ago by this machine's clock: synchronize the clocks/,
    ],
    [
      'that is not valid yet',
      (nonce: string) => idp.sign({ sub: 'alice', nonce, nbf: now() + 3600 }),
      /the nbf of the new ID token is in 3[56]\d\d s by this machine's clock: synchronize the clocks/,
    ],
  ] as readonly [string, (nonce: string) => Promise<string>, RegExp?][]) {
    test(`a login with an ID token ${name} gets 400 and no session`, async () => {
      const { agent, callback, nonce } = await signInUntilCallback()
      const idToken = await forge(nonce)
      const restore = respondWith(idToken)
      const seenLines = gateway.log.length
      const response = await agent.request(callback.href)
      restore()
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
      const line = await gateway.logged(
        (line) => gateway.log.indexOf(line) >= seenLines && line['error.code'] === 'login_failed',
      )
      assert.match(line.message ?? '', reason)
    })
  }

  test('accepts a valid ID token that is signed in the same way as the rejected ID tokens', async () => {
    const { agent, callback, nonce } = await signInUntilCallback()
    const restore = respondWith(await idp.sign({ sub: 'alice', preferred_username: 'alice', nonce }))
    const response = await agent.request(callback.href)
    restore()
    assert.equal(response.status, 303)
  })

  /** Replaces the provider's responses, until the returned function is called. */
  function respondWith(idToken: string): () => void {
    const restoreUserinfo = idp.intercept('userinfo', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"sub":"alice"}')
    })
    const restoreTokens = idp.intercept('token', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ access_token: 'x', token_type: 'Bearer', id_token: idToken }))
    })
    return () => {
      restoreUserinfo()
      restoreTokens()
    }
  }

  test('responds with 403 if the provider denies the login', async () => {
    const { agent, callback } = await signInUntilCallback()
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'access_denied')
    const response = await agent.request(callback.href)
    assert.equal(response.status, 403)
    assertNoSession(response, agent)
  })

  test('session fixation: each login creates a session with a new id, and revokes the former session', async () => {
    const victim = createUserAgent()
    victim.setCookie(url, '__Host-elastauth-session', 'A'.repeat(43))
    await victim.visit(`${url}/app`, 'alice')
    const first = sessionCookie.exec(victim.cookies(url))![1]!
    assert.notEqual(first, 'A'.repeat(43))
    await victim.visit(`${url}/elastauth/login?return_to=/app`, 'alice')
    const second = sessionCookie.exec(victim.cookies(url))![1]!
    assert.notEqual(second, first)
    const thief = createUserAgent()
    thief.setCookie(url, '__Host-elastauth-session', first)
    assert.equal((await thief.request(`${url}/app`)).status, 302)
  })

  test('leaves at most 16 small login cookies after 50 concurrent logins, and the next login succeeds', async () => {
    const agent = createUserAgent()
    await Promise.all(Array.from({ length: 50 }, (_, i) => agent.request(`${url}/app/${i}?${'q'.repeat(900)}`)))
    for (let i = 0; i < 50; i++) assert.equal((await agent.request(`${url}/app/${i}`)).status, 302)
    const loginCookies = agent.cookies(url).match(/__Host-elastauth-login-\d+=/g)!
    assert.ok(loginCookies.length <= 16)
    assert.ok(agent.cookies(url).length < 1024)
    const { response, body } = await agent.visit(`${url}/app/last`, 'alice')
    assert.equal(response.status, 200)
    assert.match(body, /Hello alice/)
  })

  test('restarts a login once if another tab has overwritten its cookie, and signs in the current user', async () => {
    const { agent, callback } = await signInUntilCallback()
    const overwriteCookies = () => {
      for (const pair of agent.cookies(url).split('; ')) agent.setCookie(url, pair.split('=')[0]!, 'of-another-tab')
    }
    overwriteCookies()
    const response = await agent.request(callback.href)
    assert.equal(response.status, 302)
    assertNoSession(response, agent)
    const { url: secondCallback } = await agent.visit(response.headers.get('location')!, 'alice', isCallback)
    const cookies = agent.cookies(url)
    overwriteCookies()
    assert.equal((await agent.request(secondCallback)).status, 400)
    for (const pair of cookies.split('; ')) agent.setCookie(url, ...(pair.split('=') as [string, string]))
    const { url: finalUrl, body } = await agent.visit(secondCallback, 'alice')
    assert.equal(finalUrl, `${url}/app/home?a=1`)
    assert.match(body, /Hello alice/)
  })

  test('redirects to the requested page if another tab has overwritten the login cookie and has signed in', async () => {
    const { agent, callback } = await signInUntilCallback()
    await agent.visit(`${url}/app/other`, 'alice')
    for (const pair of agent.cookies(url).split('; ')) {
      const [name = ''] = pair.split('=')
      if (name.includes('login')) agent.setCookie(url, name, 'overwritten')
    }
    const response = await agent.request(callback.href)
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), '/app/home?a=1')
    assert.deepEqual(response.headers.getSetCookie(), [])
  })

  test('a callback gets 503 while the provider is down, and existing sessions are served', async () => {
    const signedIn = createUserAgent()
    await signedIn.visit(`${url}/app`, 'alice')
    const { agent, callback } = await signInUntilCallback(undefined, 'bob')
    await idp.pause()
    try {
      assert.equal((await agent.request(callback.href)).status, 503)
      assert.equal((await signedIn.request(`${url}/app`)).status, 200)
    } finally {
      await idp.resume()
    }
  })
})

test('a replica whose sessions are in memory says so at start, and warns when a sign-in that began at another replica ends at it', async () => {
  const { startProxy } = await createOidcTestBed()
  const one = await startProxy()
  const two = await startProxy({ 'oidc.redirect_url': `${one.url}/elastauth/callback` })
  await two.logged(({ message = '' }) => /^sessions are in memory: .*cache\.type: redis/.test(message))
  const isCallback = (location: string) => location.startsWith(`${one.url}/elastauth/callback?`)
  const agent = createUserAgent()
  const { url } = await agent.visit(`${one.url}/app`, 'alice', isCallback)
  const callbackAt = (url: string, search: string, cookie: string) =>
    agent.request(`${url}/elastauth/callback${search}`, { headers: { cookie } })
  assert.equal((await callbackAt(two.url, new URL(url).search, agent.cookies(one.url))).status, 303)
  const isWarning = (line: LogLine) => line['log.level'] === 'warn' && /began at another replica/.test(line.message!)
  assert.match((await two.logged(isWarning)).message!, /cache\.type: redis/)
  const begun = new URL((await agent.request(`${one.url}/app`)).headers.get('location')!)
  assert.equal((await callbackAt(two.url, `?state=${begun.searchParams.get('state')}`, '')).status, 400)
  const { message } = await two.logged((line) => line['error.code'] === 'login_failed')
  assert.match(message!, /in another browser, or its cookie is missing.*began at another replica/)
  assert.ok(!one.log.some(isWarning))
})

test('requests the default scopes without groups, with a warning, if the provider lists its scopes without groups, and configured scopes as they are', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const metadata = (await (await fetch(`${idp.issuer}/.well-known/openid-configuration`)).json()) as object
  idp.intercept('discovery', respondJson(200, { ...metadata, scopes_supported: ['openid', 'profile', 'email'] }))
  const scopesAt = async ({ url }: { url: string }) => {
    const response = await createUserAgent().request(`${url}/app`)
    return new URL(response.headers.get('location')!).searchParams.get('scope')
  }
  const withDefault = await startProxy()
  assert.equal(await scopesAt(withDefault), 'openid profile email')
  await withDefault.logged((line) => line['log.level'] === 'warn' && /the scope groups/.test(line.message!))
  assert.equal(await scopesAt(await startProxy({ 'oidc.scopes': 'openid,groups' })), 'openid groups')
  idp.intercept('discovery', respondJson(200, { ...metadata, scopes_supported: undefined }))
  assert.equal(await scopesAt(await startProxy()), 'openid profile email groups')
})

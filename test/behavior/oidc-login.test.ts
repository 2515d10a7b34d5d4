import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSigningKey } from '../support/oidc/keys.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'

const sessionCookie = /__Host-elastauth-session=([A-Za-z0-9_-]{43})/

describe('login', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()
  const callbackOf = (until: string) => until.startsWith(`${url}/elastauth/callback?`)

  /** A person who has signed in at the provider, and whose browser has not come back yet. */
  async function untilCallback(agent = createUserAgent(), username = 'alice', start = `${url}/app/home?a=1`) {
    const { url: callback, trail } = await agent.visit(start, username, callbackOf)
    return { agent, callback: new URL(callback), nonce: new URL(trail[1]!).searchParams.get('nonce')! }
  }

  /** No session, whatever else the answer says. */
  function assertNoSession(response: Response, agent = createUserAgent()) {
    assert.ok(!response.headers.getSetCookie().some((line) => sessionCookie.test(line)))
    assert.doesNotMatch(agent.cookies(url), sessionCookie)
  }

  test('leads to the provider and back to the very page', async () => {
    const agent = createUserAgent()
    const { response, url: end, body } = await agent.visit(`${url}/app/discover?q=%22x%22&r=a%20b`, 'alice')
    assert.equal(response.status, 200)
    assert.equal(end, `${url}/app/discover?q=%22x%22&r=a%20b`)
    assert.match(body, /Hello alice/)
    const cookies = agent.cookies(url)
    assert.match(cookies, sessionCookie)
    assert.doesNotMatch(cookies, /login/)
    assert.ok(cookies.length <= 100)
  })

  test('the redirect has state, nonce, PKCE, and a cookie that no script and no other host gets', async () => {
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
    ['missing', (query: URLSearchParams) => query.delete('state')],
    ['made up', (query: URLSearchParams) => query.set('state', '1.bm90IG91cnMgYXQgYWxsLCBidXQgbG9uZyBlbm91Z2g')],
    ['twice', (query: URLSearchParams) => query.append('state', query.get('state')!)],
    [
      'changed',
      (query: URLSearchParams) =>
        query.set(
          'state',
          query.get('state')!.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')),
        ),
    ],
    ['empty', (query: URLSearchParams) => query.set('state', '')],
  ] as const) {
    test(`state ${name}: 400, and no session`, async () => {
      const { agent, callback } = await untilCallback()
      change(callback.searchParams)
      const response = await agent.request(callback.href)
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
    })
  }

  test('state of another browser: 400, and no session', async () => {
    const { agent, callback } = await untilCallback()
    const [cookieName = ''] = agent.cookies(url).split('=')
    let victim = createUserAgent()
    do {
      victim = createUserAgent()
      await victim.request(`${url}/app`) // has attempts of its own
    } while (victim.cookies(url).startsWith(`${cookieName}=`))
    const response = await victim.request(callback.href)
    assert.equal(response.status, 400)
    assert.match(await response.text(), /\/elastauth\/login/)
    assertNoSession(response, victim)
  })

  test('login CSRF: the attacker’s code with the victim’s state', async () => {
    const attacker = await untilCallback(undefined, 'bob')
    const victim = await untilCallback()
    victim.callback.searchParams.set('code', attacker.callback.searchParams.get('code')!)
    const response = await victim.agent.request(victim.callback.href)
    assert.equal(response.status, 400)
    assertNoSession(response, victim.agent)
  })

  test('a callback a second time: 400, and the first session stays', async () => {
    const { agent, callback } = await untilCallback()
    const cookies = agent.cookies(url)
    const first = await agent.request(callback.href)
    assert.equal(first.status, 303)
    const again = await agent.request(callback.href)
    assert.equal(again.status, 400)
    assertNoSession(again)
    // Nor for somebody who has copied the cookies of the attempt.
    const thief = createUserAgent()
    const stolen = await thief.request(callback.href, { headers: { cookie: cookies } })
    assert.equal(stolen.status, 400)
    assertNoSession(stolen, thief)
    assert.equal((await agent.request(`${url}/app`)).status, 200)
  })

  test('two callbacks at the same moment give one session', async () => {
    const { agent, callback } = await untilCallback()
    const headers = { cookie: agent.cookies(url) }
    const responses = await Promise.all([1, 2, 3].map(() => createUserAgent().request(callback.href, { headers })))
    assert.deepEqual(responses.map(({ status }) => status).sort(), [303, 400, 400])
  })

  test('issuer mix-up (RFC 9207): another issuer, or none where the provider always says it', async () => {
    for (const change of [
      (query: URLSearchParams) => query.set('iss', 'https://evil.example'),
      (query: URLSearchParams) => query.delete('iss'),
    ]) {
      const { agent, callback } = await untilCallback()
      change(callback.searchParams)
      const before = idp.calls('token')
      const response = await agent.request(callback.href)
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
      assert.equal(idp.calls('token'), before) // the code goes to nobody
    }
  })

  const unsigned = (claims: object) =>
    [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const now = () => Math.floor(Date.now() / 1000)
  for (const [name, forge] of [
    ['with another nonce', () => idp.sign({ sub: 'alice', nonce: 'another' })],
    ['without a nonce', () => idp.sign({ sub: 'alice' })],
    ['signed by another key', (nonce: string) => idp.sign({ sub: 'alice', nonce }, {}, createSigningKey())],
    [
      'unsigned',
      async (nonce: string) =>
        `${unsigned({ iss: idp.issuer, aud: idp.clientId, sub: 'alice', nonce, iat: now(), exp: now() + 60 })}.`,
    ],
    ['for another client', (nonce: string) => idp.sign({ sub: 'alice', nonce, aud: 'another' })],
    ['of another issuer', (nonce: string) => idp.sign({ sub: 'alice', nonce, iss: 'https://evil.example' })],
    ['long expired', (nonce: string) => idp.sign({ sub: 'alice', nonce, iat: now() - 7200, exp: now() - 3600 })],
  ] as const) {
    test(`an ID token ${name}: 400, and no session`, async () => {
      const { agent, callback, nonce } = await untilCallback()
      const idToken = await forge(nonce)
      const remove = answerTokens(idToken)
      const response = await agent.request(callback.href)
      remove()
      assert.equal(response.status, 400)
      assertNoSession(response, agent)
    })
  }

  test('an ID token of our own making is good when nothing is wrong with it', async () => {
    const { agent, callback, nonce } = await untilCallback()
    const remove = answerTokens(await idp.sign({ sub: 'alice', preferred_username: 'alice', nonce }))
    const response = await agent.request(callback.href)
    remove()
    assert.equal(response.status, 303)
  })

  function answerTokens(idToken: string): () => void {
    const removeUserinfo = idp.intercept('userinfo', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"sub":"alice"}')
    })
    const removeTokens = idp.intercept('token', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ access_token: 'x', token_type: 'Bearer', id_token: idToken }))
    })
    return () => {
      removeUserinfo()
      removeTokens()
    }
  }

  test('the provider says no: 403, and the log has its word', async () => {
    const { agent, callback } = await untilCallback()
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'access_denied')
    const response = await agent.request(callback.href)
    assert.equal(response.status, 403)
    assertNoSession(response, agent)
  })

  test('session fixation: a new id at login, and the former session ends', async () => {
    const planted = createUserAgent()
    planted.setCookie(url, '__Host-elastauth-session', 'A'.repeat(43))
    await planted.visit(`${url}/app`, 'alice')
    const first = sessionCookie.exec(planted.cookies(url))![1]!
    assert.notEqual(first, 'A'.repeat(43))
    await planted.visit(`${url}/elastauth/login?return_to=/app`, 'alice')
    const second = sessionCookie.exec(planted.cookies(url))![1]!
    assert.notEqual(second, first)
    const thief = createUserAgent()
    thief.setCookie(url, '__Host-elastauth-session', first)
    assert.equal((await thief.request(`${url}/app`)).status, 302)
  })

  test('50 tabs at once leave 16 small cookies at the most, and no request is too large', async () => {
    const agent = createUserAgent()
    await Promise.all(Array.from({ length: 50 }, (_, i) => agent.request(`${url}/app/${i}?${'q'.repeat(900)}`)))
    for (let i = 0; i < 50; i++) assert.equal((await agent.request(`${url}/app/${i}`)).status, 302)
    const attempts = agent.cookies(url).match(/__Host-elastauth-login-\d+=/g)!
    assert.ok(attempts.length <= 16)
    assert.ok(agent.cookies(url).length < 1024)
    const { response, body } = await agent.visit(`${url}/app/last`, 'alice')
    assert.equal(response.status, 200)
    assert.match(body, /Hello alice/)
  })

  test('a tab whose attempt another tab has overtaken begins anew by itself, once, as the person who is there', async () => {
    const { agent, callback } = await untilCallback()
    const overtake = () => {
      for (const pair of agent.cookies(url).split('; ')) agent.setCookie(url, pair.split('=')[0]!, 'another-tab-s')
    }
    overtake()
    const response = await agent.request(callback.href)
    assert.equal(response.status, 302)
    assertNoSession(response, agent)
    const { url: second } = await agent.visit(response.headers.get('location')!, 'alice', callbackOf)
    const cookies = agent.cookies(url)
    overtake()
    assert.equal((await agent.request(second)).status, 400)
    for (const pair of cookies.split('; ')) agent.setCookie(url, ...(pair.split('=') as [string, string]))
    const { url: end, body } = await agent.visit(second, 'alice')
    assert.equal(end, `${url}/app/home?a=1`)
    assert.match(body, /Hello alice/)
  })

  test('a tab whose attempt was forgotten goes on where another tab has logged in', async () => {
    const { agent, callback } = await untilCallback()
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

  test('the provider cannot be reached: 503 for a login, nothing for who is in', async () => {
    const inside = createUserAgent()
    await inside.visit(`${url}/app`, 'alice')
    const { agent, callback } = await untilCallback(undefined, 'bob')
    await idp.pause()
    try {
      assert.equal((await agent.request(callback.href)).status, 503)
      assert.equal((await inside.request(`${url}/app`)).status, 200)
    } finally {
      await idp.resume()
    }
  })
})

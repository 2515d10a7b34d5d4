import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { createSigningKey } from '../support/oidc/keys.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startUpstream } from '../support/upstream.ts'

test('rejects a pipelined request with 401 if its user signs out while the request waits for an earlier response', async (context) => {
  const { startProxy } = await createOidcTestBed()
  const forwarded: string[] = []
  const arrived = Promise.withResolvers<() => void>()
  const upstream = await startUpstream(({ method, url = '' }, response) => {
    forwarded.push(`${method} ${url}`)
    if (url === '/slow') arrived.resolve(() => response.end('slow'))
    else response.end('ok')
  })
  const { url } = await startProxy({ 'proxy.elasticsearch_url': upstream.url })
  const agent = createUserAgent()
  await agent.visit(`${url}/app`, 'alice')
  const connection = openRaw(portOf({ url }))
  context.after(() => connection.socket.destroy())
  const cookie = `Cookie: ${agent.cookies(url)}`
  const head = (line: string) => [line, `Host: ${new URL(url).host}`, cookie, '', ''].join('\r\n')
  connection.send(head('GET /slow HTTP/1.1') + head('DELETE /index HTTP/1.1'))
  const release = await arrived.promise
  await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
  release()
  assert.match(await connection.until(/HTTP\/1\.1 [\s\S]*HTTP\/1\.1 \d{3}/), /^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 401/)
  assert.deepEqual(forwarded, ['GET /app', 'GET /slow'])
})

describe('logouts', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()

  async function signedIn(username = 'alice'): Promise<UserAgent> {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, username)
    assert.equal((await agent.request(`${url}/app`)).status, 200)
    return agent
  }
  const hasSession = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200

  test('a logout from our own page ends the session and redirects to the logout of the provider', async () => {
    const agent = await signedIn()
    const cookies = agent.cookies(url)
    const response = await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    assert.equal(response.status, 303)
    const location = new URL(response.headers.get('location')!)
    assert.equal(location.origin, idp.issuer)
    assert.ok(location.searchParams.get('id_token_hint'))
    assert.equal(location.searchParams.get('post_logout_redirect_uri'), `${url}/elastauth/signed-out`)
    assert.equal(agent.cookies(url), '')
    // A copy of the cookie is invalid too.
    assert.equal((await createUserAgent().request(`${url}/app`, { headers: { cookie: cookies } })).status, 302)
  })

  const sites: readonly [source: string, headers: Record<string, string>, isLogout: boolean][] = [
    ['from the address bar', { 'sec-fetch-site': 'none' }, true],
    ['from our own page in an older browser', { 'sec-fetch-site': '', referer: `${url}/app` }, true],
    ['from a link on another site', { 'sec-fetch-site': 'cross-site' }, false],
    ['from a link on a neighboring host', { 'sec-fetch-site': 'same-site' }, false],
    [
      'from a link on another site in an older browser',
      { 'sec-fetch-site': '', referer: 'https://evil.example/' },
      false,
    ],
    ['from an unknown site', { 'sec-fetch-site': '' }, false],
    ['from a prefetch', { 'sec-fetch-site': 'none', 'sec-purpose': 'prefetch' }, false],
  ]
  for (const [source, headers, isLogout] of sites) {
    test(`a logout by GET ${source} ${isLogout ? 'ends the session' : 'asks for a confirmation'}`, async () => {
      const agent = await signedIn()
      const response = await agent.request(`${url}/elastauth/logout`, { headers })
      assert.equal(response.status, isLogout ? 303 : 200)
      if (!isLogout) assert.match(await response.text(), /method="post"/)
      assert.equal(await hasSession(agent), !isLogout)
    })
  }

  test('a logout ends the session of every session cookie in the request, although a request with several session cookies is not authenticated', async () => {
    const [alice, bob] = [await signedIn(), await signedIn('bob')]
    const cookie = [alice, bob].map((agent) => agent.cookies(url)).join('; ')
    const both = createUserAgent()
    assert.equal((await both.request(`${url}/app`, { headers: { cookie } })).status, 302)
    const headers = { cookie, 'sec-fetch-site': 'same-origin' }
    const response = await both.request(`${url}/elastauth/logout`, { headers })
    assert.equal(response.status, 303)
    assert.match(response.headers.getSetCookie().join(), /__Host-elastauth-session=; .*Max-Age=0/)
    assert.deepEqual([await hasSession(alice), await hasSession(bob)], [false, false])
  })

  test('a logout by HEAD does not end the session', async () => {
    const agent = await signedIn()
    assert.equal((await agent.request(`${url}/elastauth/logout`, { method: 'HEAD' })).status, 200)
    assert.equal(await hasSession(agent), true)
  })

  const posts: readonly [source: string, headers: Record<string, string>, status: number][] = [
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: url }, 303],
    ['our own page in an older browser', { 'sec-fetch-site': '', origin: url }, 303],
    ['a form of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
    ['a form of a neighboring host', { 'sec-fetch-site': 'same-site', origin: 'https://evil.example' }, 403],
    ['a form of another site in an older browser', { 'sec-fetch-site': '', origin: 'https://evil.example' }, 403],
    ['a form with a null origin', { 'sec-fetch-site': '', origin: 'null' }, 403],
    ['an unknown site', { 'sec-fetch-site': '' }, 403],
  ]
  for (const [source, headers, status] of posts) {
    test(`a logout by POST from ${source} ${status === 303 ? 'ends the session' : 'is rejected with 403'}`, async () => {
      const agent = await signedIn()
      const response = await agent.request(`${url}/elastauth/logout`, { headers, body: new URLSearchParams() })
      assert.equal(response.status, status)
      assert.equal(await hasSession(agent), status === 403)
    })
  }

  test('a logout without a session shows the signed-out page', async () => {
    const response = await createUserAgent().request(`${url}/elastauth/logout`)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /signed out/)
  })

  test('a logout ends the session even if the provider is down', async () => {
    const agent = await signedIn()
    await idp.pause()
    try {
      await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
      assert.equal(agent.cookies(url), '')
    } finally {
      await idp.resume()
    }
    assert.equal(await hasSession(agent), false)
  })

  test('CSRF: rejects a cross-site write in a session with 403, and allows cross-site reads and same-origin writes', async () => {
    const agent = await signedIn()
    const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    const written = await agent.request(`${url}/api/thing`, { headers: crossSite, body: new URLSearchParams() })
    assert.equal(written.status, 403)
    const read = await agent.request(`${url}/app`, { headers: { 'sec-fetch-site': 'cross-site' } })
    assert.equal(read.status, 200)
    const sameOrigin = { 'sec-fetch-site': 'same-origin', origin: url }
    assert.equal(
      (await agent.request(`${url}/api/thing`, { headers: sameOrigin, body: new URLSearchParams() })).status,
      200,
    )
  })
})

describe('the back-channel logout', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url, log, logged } = await startProxy()
  const event = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  let count = 0

  async function signedIn(username: string) {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, username)
    return agent
  }
  const hasSession = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200

  const claimsFor = (claims: object) => ({ sub: 'alice', jti: `jti-${++count}`, events: event, ...claims })
  const tokenFor = (claims: object, typ: string | undefined = 'logout+jwt', key = idp.key) =>
    idp.sign(claimsFor(claims), { typ }, key)
  async function send(token: string, init: object = {}): Promise<number> {
    const body = new URLSearchParams({ logout_token: token })
    const response = await fetch(`${url}/elastauth/backchannel-logout`, { method: 'POST', body, ...init })
    assert.equal(response.headers.get('cache-control'), 'no-store')
    await response.text()
    return response.status
  }

  test('a back-channel logout ends the session of a user who signs out at the provider', async () => {
    const agent = await signedIn('alice')
    assert.equal(await hasSession(agent), true)
    const { url: logoutUrl, body } = await agent.visit(`${idp.issuer}/session/end`)
    assert.match(body, /sign me out/i)
    const form = /action="([^"]+)"/.exec(body)![1]!
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(body)![1]!
    await agent.request(new URL(form, logoutUrl).href, { body: new URLSearchParams({ xsrf, logout: 'yes' }) })
    assert.equal(await hasSession(agent), false)
    const event = await logged((line) => line['event.action'] === 'session_ended')
    assert.deepEqual([event['event.reason'], event['user.id']], ['provider_logout', 'alice'])
  })

  test('a back-channel logout ends all sessions of its subject, and none of another subject', async () => {
    const [one, two, bob] = [await signedIn('alice'), await signedIn('alice'), await signedIn('bob')]
    assert.equal(await send(await tokenFor({})), 200)
    assert.deepEqual([await hasSession(one), await hasSession(two), await hasSession(bob)], [false, false, true])
  })

  test('a back-channel logout of a session that is over, or that never was, gets 200, ends no other session and logs no warning', async () => {
    const [agent, other] = [await signedIn('alice'), await signedIn('bob')]
    await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    const before = log.length
    for (const claims of [{}, { sid: 'unknown' }, { sub: 'mallory' }])
      assert.equal(await send(await tokenFor(claims)), 200)
    assert.equal(await hasSession(other), true)
    let logouts = 0
    await logged((line) => {
      if (line['url.path'] !== '/elastauth/backchannel-logout' || log.indexOf(line) < before) return false
      assert.equal(line['log.level'], 'info')
      return ++logouts === 3
    })
  })

  const now = () => Math.floor(Date.now() / 1000)
  const invalid: readonly [what: string, token: () => Promise<string>][] = [
    ['signed by another key', () => tokenFor({}, 'logout+jwt', createSigningKey())],
    ['with a nonce', () => tokenFor({ nonce: 'x' })],
    ['without a jti', () => tokenFor({ jti: undefined })],
    ['without its event', () => tokenFor({ events: undefined })],
    ['with another event', () => tokenFor({ events: { 'http://schemas.openid.net/event/other': {} } })],
    ['with its event as text', () => tokenFor({ events: Object.keys(event)[0] })],
    ['without a subject and a session', () => tokenFor({ sub: undefined })],
    ['for another client', () => tokenFor({ aud: 'another' })],
    ['of another issuer', () => tokenFor({ iss: 'https://evil.example' })],
    ['of another type', () => tokenFor({}, 'at+jwt')],
    ['that has expired', () => tokenFor({ iat: now() - 7200, exp: now() - 3600 })],
    ['that is an ID token', () => idp.sign({ sub: 'alice' })],
    ['that is not a JWT', async () => 'x'],
    ['that is empty', async () => ''],
    ['that is unsigned', async () => `${(await tokenFor({})).split('.').slice(0, 2).join('.')}.`],
  ]
  test('a back-channel logout with an invalid token is rejected with 400 and ends no session', async (t) => {
    const agent = await signedIn('alice')
    for (const [what, token] of invalid) {
      await t.test(`rejects a logout token ${what}`, async () => {
        assert.equal(await send(await token()), 400)
        assert.equal(await hasSession(agent), true)
      })
    }
  })

  test('replay: a logout token that was used before gets 400', async () => {
    await signedIn('alice')
    const token = await tokenFor({})
    assert.equal(await send(token), 200)
    const agent = await signedIn('alice')
    assert.equal(await send(token), 400)
    assert.equal(await hasSession(agent), true)
  })

  test('a back-channel logout gets 405 if it is not a POST, and 400 if its body is not a form with exactly one token', async () => {
    const endpoint = `${url}/elastauth/backchannel-logout`
    assert.equal((await fetch(endpoint)).status, 405)
    assert.equal((await fetch(endpoint, { method: 'POST' })).status, 400)
    assert.equal(
      (await fetch(endpoint, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status,
      400,
    )
    const twoTokens = new URLSearchParams([
      ['logout_token', await tokenFor({})],
      ['logout_token', await tokenFor({})],
    ])
    assert.equal((await fetch(endpoint, { method: 'POST', body: twoTokens })).status, 400)
    const large = new URLSearchParams({ logout_token: 'x'.repeat(100_000) })
    assert.equal((await fetch(endpoint, { method: 'POST', body: large })).status, 400)
    const { allow } = Object.fromEntries((await fetch(endpoint)).headers)
    assert.equal(allow, 'POST')
  })
})

describe('the back-channel logout with Elasticsearch', async () => {
  const fakeElasticsearch = createFakeElasticsearch()
  const elasticsearch = await fakeElasticsearch.listen()
  after(() => fakeElasticsearch.close())
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy(
    { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': elasticsearch },
    { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  )

  test('a back-channel logout invalidates the cached credential of the user', async () => {
    const agent = createUserAgent()
    const lookups = () => fakeElasticsearch.calls.filter(({ path }) => path === '/_security/user/alice').length
    await agent.visit(`${url}/app`, 'alice')
    await agent.request(`${url}/app`)
    const before = lookups()
    await agent.request(`${url}/app`)
    assert.equal(lookups(), before) // cached
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const token = await idp.sign({ sub: 'alice', jti: 'one', events }, { typ: 'logout+jwt' })
    const body = new URLSearchParams({ logout_token: token })
    const { status } = await fetch(`${url}/elastauth/backchannel-logout`, { method: 'POST', body })
    assert.equal(status, 200)
    assert.equal((await agent.request(`${url}/app`)).status, 302)
    assert.equal(lookups(), before)
    await agent.visit(`${url}/app`)
    assert.equal(lookups(), before + 1)
  })
})

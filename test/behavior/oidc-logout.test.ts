import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { createSigningKey } from '../support/oidc/keys.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startUpstream } from '../support/upstream.ts'

test('a request that waits behind another on its connection while its user signs out is rejected with 401', async (context) => {
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
  assert.match(await connection.until(/HTTP\/1\.1 [\s\S]*HTTP\/1\.1 \d+/), /^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 401/)
  assert.deepEqual(forwarded, ['GET /app', 'GET /slow'])
})

describe('logout', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()

  async function signedIn(username = 'alice'): Promise<UserAgent> {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, username)
    assert.equal((await agent.request(`${url}/app`)).status, 200)
    return agent
  }
  const isIn = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200

  test('by our own page: the session ends, and the provider is asked to end its own', async () => {
    const agent = await signedIn()
    const cookies = agent.cookies(url)
    const response = await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
    assert.equal(response.status, 303)
    const location = new URL(response.headers.get('location')!)
    assert.equal(location.origin, idp.issuer)
    assert.ok(location.searchParams.get('id_token_hint'))
    assert.equal(location.searchParams.get('post_logout_redirect_uri'), `${url}/elastauth/signed-out`)
    assert.equal(agent.cookies(url), '')
    // Whoever has kept the cookie has nothing of it.
    assert.equal((await createUserAgent().request(`${url}/app`, { headers: { cookie: cookies } })).status, 302)
  })

  const sites: readonly [what: string, headers: Record<string, string>, isLogout: boolean][] = [
    ['typed into the address bar', { 'sec-fetch-site': 'none' }, true],
    ['on a page of ours, in an older browser', { 'sec-fetch-site': '', referer: `${url}/app` }, true],
    ['by a link from another site', { 'sec-fetch-site': 'cross-site' }, false],
    ['by a link from a neighbouring host', { 'sec-fetch-site': 'same-site' }, false],
    [
      'by a link from another site, in an older browser',
      { 'sec-fetch-site': '', referer: 'https://evil.example/' },
      false,
    ],
    ['by nobody knows whom', { 'sec-fetch-site': '' }, false],
    ['by a prefetch', { 'sec-fetch-site': 'none', 'sec-purpose': 'prefetch' }, false],
  ]
  for (const [what, given, isLogout] of sites) {
    test(`GET ${what}: ${isLogout ? 'a logout' : 'a question'}`, async () => {
      const agent = await signedIn()
      const response = await agent.request(`${url}/elastauth/logout`, { headers: given })
      assert.equal(response.status, isLogout ? 303 : 200)
      if (!isLogout) assert.match(await response.text(), /method="post"/)
      assert.equal(await isIn(agent), !isLogout)
    })
  }

  test('ends the session of every session cookie in the request, although several cookies do not authenticate', async () => {
    const [alice, bob] = [await signedIn(), await signedIn('bob')]
    const cookie = [alice, bob].map((agent) => agent.cookies(url)).join('; ')
    const doubled = createUserAgent()
    assert.equal((await doubled.request(`${url}/app`, { headers: { cookie } })).status, 302)
    const headers = { cookie, 'sec-fetch-site': 'same-origin' }
    const response = await doubled.request(`${url}/elastauth/logout`, { headers })
    assert.equal(response.status, 303)
    assert.match(response.headers.getSetCookie().join(), /__Host-elastauth-session=; .*Max-Age=0/)
    assert.deepEqual([await isIn(alice), await isIn(bob)], [false, false])
  })

  test('HEAD changes nothing', async () => {
    const agent = await signedIn()
    assert.equal((await agent.request(`${url}/elastauth/logout`, { method: 'HEAD' })).status, 200)
    assert.equal(await isIn(agent), true)
  })

  const posts: readonly [what: string, headers: Record<string, string>, status: number][] = [
    ['the button on our page', { 'sec-fetch-site': 'same-origin', origin: url }, 303],
    ['the button, in an older browser', { 'sec-fetch-site': '', origin: url }, 303],
    ['a form of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
    ['a form of a neighbouring host', { 'sec-fetch-site': 'same-site', origin: 'https://evil.example' }, 403],
    ['a form of another site, in an older browser', { 'sec-fetch-site': '', origin: 'https://evil.example' }, 403],
    ['a form that hides where it is from', { 'sec-fetch-site': '', origin: 'null' }, 403],
    ['nobody knows what', { 'sec-fetch-site': '' }, 403],
  ]
  for (const [what, headers, status] of posts) {
    test(`POST by ${what}: ${status}`, async () => {
      const agent = await signedIn()
      const response = await agent.request(`${url}/elastauth/logout`, { headers, body: new URLSearchParams() })
      assert.equal(response.status, status)
      assert.equal(await isIn(agent), status === 403)
    })
  }

  test('who is not signed in sees the page for it', async () => {
    const response = await createUserAgent().request(`${url}/elastauth/logout`)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /signed out/)
  })

  test('the provider cannot be reached: signed out here all the same', async () => {
    const agent = await signedIn()
    await idp.pause()
    try {
      await agent.request(`${url}/elastauth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
      assert.equal(agent.cookies(url), '')
    } finally {
      await idp.resume()
    }
    assert.equal(await isIn(agent), false)
  })

  test('another site’s page cannot write in somebody’s session, whatever the browser sends along', async () => {
    const agent = await signedIn()
    const elsewhere = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    const written = await agent.request(`${url}/api/thing`, { headers: elsewhere, body: new URLSearchParams() })
    assert.equal(written.status, 403)
    const read = await agent.request(`${url}/app`, { headers: { 'sec-fetch-site': 'cross-site' } })
    assert.equal(read.status, 200)
    const own = { 'sec-fetch-site': 'same-origin', origin: url }
    assert.equal((await agent.request(`${url}/api/thing`, { headers: own, body: new URLSearchParams() })).status, 200)
  })
})

describe('back-channel logout', async () => {
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy()
  const event = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  let count = 0

  async function signedIn(username: string) {
    const agent = createUserAgent()
    await agent.visit(`${url}/app`, username)
    return agent
  }
  const isIn = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200

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

  test('the provider’s own: whoever signs out there is out here', async () => {
    const agent = await signedIn('alice')
    assert.equal(await isIn(agent), true)
    const { url: end, body } = await agent.visit(`${idp.issuer}/session/end`)
    assert.match(body, /sign me out/i)
    const form = /action="([^"]+)"/.exec(body)![1]!
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(body)![1]!
    await agent.request(new URL(form, end).href, { body: new URLSearchParams({ xsrf, logout: 'yes' }) })
    assert.equal(await isIn(agent), false)
  })

  test('by subject: all sessions of that one, and nobody else’s', async () => {
    const [one, two, bob] = [await signedIn('alice'), await signedIn('alice'), await signedIn('bob')]
    assert.equal(await send(await tokenFor({})), 200)
    assert.deepEqual([await isIn(one), await isIn(two), await isIn(bob)], [false, false, true])
  })

  const now = () => Math.floor(Date.now() / 1000)
  const bad: readonly [what: string, token: () => Promise<string>][] = [
    ['signed by another key', () => tokenFor({}, 'logout+jwt', createSigningKey())],
    ['with a nonce', () => tokenFor({ nonce: 'x' })],
    ['without a jti', () => tokenFor({ jti: undefined })],
    ['without its event', () => tokenFor({ events: undefined })],
    ['with another event', () => tokenFor({ events: { 'http://schemas.openid.net/event/other': {} } })],
    ['with its event as text', () => tokenFor({ events: Object.keys(event)[0] })],
    ['about nobody', () => tokenFor({ sub: undefined })],
    ['of an unknown session', () => tokenFor({ sid: 'unknown' })],
    ['of an unknown subject', () => tokenFor({ sub: 'mallory' })],
    ['for another client', () => tokenFor({ aud: 'another' })],
    ['of another issuer', () => tokenFor({ iss: 'https://evil.example' })],
    ['of another type', () => tokenFor({}, 'at+jwt')],
    ['long expired', () => tokenFor({ iat: now() - 7200, exp: now() - 3600 })],
    ['that is an ID token', () => idp.sign({ sub: 'alice' })],
    ['that is no token', async () => 'x'],
    ['that is empty', async () => ''],
    ['that is unsigned', async () => `${(await tokenFor({})).split('.').slice(0, 2).join('.')}.`],
  ]
  test('a token that is not good: 400, and nobody is out', async (t) => {
    const agent = await signedIn('alice')
    for (const [what, token] of bad) {
      await t.test(what, async () => {
        assert.equal(await send(await token()), 400)
        assert.equal(await isIn(agent), true)
      })
    }
  })

  test('a token that comes again: 400', async () => {
    await signedIn('alice')
    const token = await tokenFor({})
    assert.equal(await send(token), 200)
    const agent = await signedIn('alice')
    assert.equal(await send(token), 400)
    assert.equal(await isIn(agent), true)
  })

  test('what is no such form: 400 or 405, with a connection that is still good', async () => {
    const address = `${url}/elastauth/backchannel-logout`
    assert.equal((await fetch(address)).status, 405)
    assert.equal((await fetch(address, { method: 'POST' })).status, 400)
    assert.equal(
      (await fetch(address, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status,
      400,
    )
    const twice = new URLSearchParams([
      ['logout_token', await tokenFor({})],
      ['logout_token', await tokenFor({})],
    ])
    assert.equal((await fetch(address, { method: 'POST', body: twice })).status, 400)
    const large = new URLSearchParams({ logout_token: 'x'.repeat(100_000) })
    assert.equal((await fetch(address, { method: 'POST', body: large })).status, 400)
    const { allow } = Object.fromEntries((await fetch(address)).headers)
    assert.equal(allow, 'POST')
  })
})

describe('back-channel logout and the user in Elasticsearch', async () => {
  const standIn = createFakeElasticsearch()
  const elasticsearch = await standIn.listen()
  after(() => standIn.close())
  const { idp, startProxy } = await createOidcTestBed()
  const { url } = await startProxy(
    { 'elasticsearch.dry_run': 'false', 'elasticsearch.hosts': elasticsearch },
    { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  )

  test('the cached credential goes with the session', async () => {
    const agent = createUserAgent()
    const lookups = () => standIn.calls.filter(({ path }) => path === '/_security/user/alice').length
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

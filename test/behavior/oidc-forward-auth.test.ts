import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'

const site = 'https://kibana.example.com'

describe('the login in auth-only mode', async () => {
  const { idp, startForwardAuth } = await createOidcTestBed()
  idp.register(site)
  const { url } = await startForwardAuth()
  const { url: nginx } = await startForwardAuth({ 'forward_auth.profile': 'nginx' })
  const { url: untrusting } = await startForwardAuth({ trusted_proxies: 'none' })

  /** Sends the sub-request of a proxy about a request of this browser. */
  function authorize(agent: UserAgent, target: string, more: Record<string, string> = {}, to = url): Promise<Response> {
    const { host, protocol } = new URL(site)
    const headers = {
      'x-forwarded-proto': protocol.slice(0, -1),
      'x-forwarded-host': host,
      'x-forwarded-uri': target,
      'x-forwarded-method': 'GET',
      ...more,
    }
    return agent.request(`${to}/`, { headers })
  }

  async function signIn(username = 'alice', target = '/app/home?x=1') {
    const agent = createUserAgent()
    const redirect = await authorize(agent, target)
    assert.equal(redirect.status, 302)
    const { url: callback } = await agent.visit(redirect.headers.get('location')!, username, (to) =>
      to.startsWith(site),
    )
    const { pathname, search } = new URL(callback)
    const response = await authorize(agent, pathname + search)
    return { agent, response, callback: pathname + search }
  }

  test('redirects a navigation to the provider, handles the callback as a sub-request, and redirects to the page', async () => {
    const { agent, response } = await signIn()
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), '/app/home?x=1')
    const authorized = await authorize(agent, '/app/home?x=1')
    assert.equal(authorized.status, 200)
    assert.match(authorized.headers.get('authorization')!, /^Basic /)
    assert.deepEqual(authorized.headers.getSetCookie(), [])
    assert.equal(((await authorized.json()) as { username: string }).username, 'alice')
  })

  const others: readonly [what: string, headers: Record<string, string>][] = [
    ['a fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }],
    ['an XMLHttpRequest', { 'x-requested-with': 'XMLHttpRequest', accept: 'application/json' }],
    ['an EventSource', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }],
    ['a WebSocket', { 'sec-fetch-mode': 'websocket', 'sec-websocket-key': 'x', accept: '*/*' }],
    ['a request of curl', { 'sec-fetch-mode': '', 'sec-fetch-dest': '', accept: '*/*' }],
    ['a POST', { 'x-forwarded-method': 'POST', accept: 'application/json' }],
  ]
  for (const [what, headers] of others) {
    test(`rejects ${what} that has no session with 401 in JSON, and sends neither a cookie nor a redirect`, async () => {
      const response = await authorize(createUserAgent(), '/api/x', headers)
      assert.equal(response.status, 401)
      assert.equal(((await response.json()) as { error: string }).error, 'identity_missing')
      assert.equal(response.headers.get('location'), null)
      assert.deepEqual(response.headers.getSetCookie(), [])
    })
  }

  test('rejects a prefetch and an iframe without a session with 401', async () => {
    for (const headers of [{ 'sec-purpose': 'prefetch' }, { 'sec-fetch-dest': 'iframe' }] as Record<string, string>[]) {
      assert.equal((await authorize(createUserAgent(), '/app', headers)).status, 401)
    }
  })

  test('redirects with the status of the new forward_auth.profile after a reload by SIGHUP', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
    after(() => rmSync(directory, { recursive: true }))
    const config = join(directory, 'config.yml')
    writeFileSync(config, 'forward_auth:\n  profile: generic\n')
    const gateway = await startForwardAuth({ config })
    assert.equal((await authorize(createUserAgent(), '/app', {}, gateway.url)).status, 302)
    writeFileSync(config, 'forward_auth:\n  profile: nginx\n')
    gateway.process.kill('SIGHUP')
    await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
    assert.equal((await authorize(createUserAgent(), '/app', {}, gateway.url)).status, 401)
  })

  test('responds to nginx with 401, Location and one cookie instead of a redirect', async () => {
    const response = await authorize(createUserAgent(), '/app', {}, nginx)
    assert.equal(response.status, 401)
    assert.equal(new URL(response.headers.get('location')!).origin, idp.issuer)
    assert.equal(response.headers.getSetCookie().length, 1)
  })

  test('a sub-request that nginx gets 401 for is logged even if the log omits every successful request', async () => {
    const flags = { 'forward_auth.profile': 'nginx', 'log.sample_hits': '0', 'log.exclude_paths': '/*' }
    const gateway = await startForwardAuth(flags)
    assert.equal((await authorize(createUserAgent(), '/app', {}, gateway.url)).status, 401)
    await authorize(createUserAgent(), '/app', { 'sec-fetch-mode': 'cors' }, gateway.url) // an error, logged in any case
    const line = await gateway.logged((entry) => entry['http.response.status_code'] === 401)
    assert.equal(line['error.code'], undefined)
  })

  test('responds to a sub-request about an elastauth endpoint with 403 instead of 200', async () => {
    const { agent } = await signIn()
    for (const [page, headers] of [
      ['/elastauth/signed-out', {}],
      ['/elastauth/logout', { 'sec-fetch-site': 'cross-site' }],
      ['/elastauth/%6cogout', { 'sec-fetch-site': 'cross-site' }],
    ] as const) {
      for (const client of [agent, createUserAgent()]) {
        const response = await authorize(client, page, headers)
        assert.equal(response.status, 403, page)
        assert.equal(response.headers.get('authorization'), null)
        assert.match(await response.text(), /<h1>/)
      }
    }
  })

  test("a sub-request about a logout by GET or POST from elastauth's own page ends the session, and logout CSRF is rejected", async () => {
    for (const headers of [{}, { 'x-forwarded-method': 'POST', origin: site }]) {
      const { agent } = await signIn()
      const response = await authorize(agent, '/elastauth/logout', { 'sec-fetch-site': 'same-origin', ...headers })
      assert.equal(response.status, 303)
      assert.equal((await authorize(agent, '/app')).status, 302)
    }
    const { agent } = await signIn()
    const crossSite = { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    assert.equal((await authorize(agent, '/elastauth/logout', crossSite)).status, 403)
    assert.equal((await authorize(agent, '/app')).status, 200)
  })

  test('CSRF: rejects a cross-site write and a cross-site WebSocket in a session with 403', async () => {
    const { agent } = await signIn()
    const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    assert.equal((await authorize(agent, '/api', { ...crossSite, 'x-forwarded-method': 'POST' })).status, 403)
    assert.equal((await authorize(agent, '/api', { ...crossSite, 'sec-websocket-key': 'x' })).status, 403)
    assert.equal(
      (await authorize(agent, '/api', { origin: site, 'sec-fetch-site': 'same-origin', 'x-forwarded-method': 'POST' }))
        .status,
      200,
    )
  })

  test('rejects an untrusted peer with 401, and ignores its session cookie and X-Forwarded-Uri', async () => {
    const { agent, callback } = await signIn()
    const cookie = agent.cookies(url)
    for (const target of ['/app', callback, '/elastauth/logout']) {
      const response = await authorize(createUserAgent(), target, { cookie }, untrusting)
      assert.equal(response.status, 401)
      assert.equal(response.headers.get('authorization'), null)
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
  })

  const openRedirects = [
    '//evil.example/',
    '/\\evil.example',
    'https://evil.example/x',
    'evil',
    '',
    '/a%00',
    `/${'x'.repeat(9000)}`,
  ]
  test('open redirect: a login that began with a hostile X-Forwarded-Uri returns to a page on the same origin', async () => {
    for (const target of openRedirects) {
      const { response } = await signIn('alice', target)
      assert.equal(response.status, 303)
      assert.equal(new URL(response.headers.get('location')!, site).origin, site)
      assert.doesNotMatch(response.headers.get('location')!, /^\/\/|evil/)
    }
  })

  test('a login gets 400 and an explanation if X-Forwarded-Proto is not https', async () => {
    const response = await authorize(createUserAgent(), '/app', { 'x-forwarded-proto': 'http' })
    assert.equal(response.status, 400)
    assert.match(await response.text(), /Login requires HTTPS/)
  })

  test("responds with 403 instead of 200 to sub-requests from Envoy and nginx that have an endpoint's path", async () => {
    const proxied = ['X-Forwarded-Proto: https', 'X-Forwarded-Host: kibana.example.com', 'Connection: close']
    const request = (path: string, subRequestHeaders: string[]) => {
      const connection = openRaw(Number(new URL(url).port))
      connection.send([`GET ${path} HTTP/1.1`, 'Host: gate', ...proxied, ...subRequestHeaders, '', ''].join('\r\n'))
      return connection.closed
    }
    for (const headers of [
      ['X-Envoy-Internal: true', 'Content-Length: 0'],
      [`X-Original-URL: ${site}/elastauth/signed-out`],
      ['X-Forwarded-Method: GET'],
    ]) {
      assert.match(await request('/elastauth/signed-out', headers), /^HTTP\/1.1 403 /)
      assert.match(await request('/elastauth/login', headers), /^HTTP\/1.1 302 /)
    }
    assert.match(await request('/elastauth/signed-out', []), /^HTTP\/1.1 200 /)
  })

  test('handles a back-channel logout through Envoy from a private network, and does not treat the request as a sub-request', async () => {
    const response = await fetch(`${url}/elastauth/backchannel-logout`, {
      method: 'POST',
      headers: { 'X-Envoy-Internal': 'true', 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'logout_token=none',
    })
    assert.equal(response.status, 400)
    assert.equal(((await response.json()) as { error: string }).error, 'logout_invalid')
  })

  test('serves the login endpoints directly if the proxy routes those paths to elastauth', async () => {
    const agent = createUserAgent()
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': new URL(site).host }
    const redirect = await agent.request(`${url}/elastauth/login?return_to=/app/x`, { headers })
    const { url: callback } = await agent.visit(redirect.headers.get('location')!, 'bob', (to) => to.startsWith(site))
    const back = await agent.request(callback.replace(site, url), { headers })
    assert.deepEqual([back.status, back.headers.get('location')], [303, '/app/x'])
    const signedOut = await agent.request(`${url}/elastauth/signed-out`, { headers })
    assert.equal(signedOut.status, 200)
  })
})

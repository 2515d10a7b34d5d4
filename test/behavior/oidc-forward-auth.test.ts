import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'

const site = 'https://kibana.example.com'

describe('login by forward auth', async () => {
  const { idp, startForwardAuth } = await createOidcTestBed()
  idp.register(site)
  const { url } = await startForwardAuth()
  const { url: nginx } = await startForwardAuth({ 'forward_auth.profile': 'nginx' })
  const { url: stranger } = await startForwardAuth({ trusted_proxies: 'none' })

  /** What a proxy asks about a request of this browser. */
  function ask(agent: UserAgent, target: string, more: Record<string, string> = {}, to = url): Promise<Response> {
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
    const redirect = await ask(agent, target)
    assert.equal(redirect.status, 302)
    const { url: callback } = await agent.visit(redirect.headers.get('location')!, username, (to) =>
      to.startsWith(site),
    )
    const { pathname, search } = new URL(callback)
    const answer = await ask(agent, pathname + search)
    return { agent, answer, callback: pathname + search }
  }

  test('a navigation is led to the provider, the callback is a sub-request too, and back to the page', async () => {
    const { agent, answer } = await signIn()
    assert.equal(answer.status, 303)
    assert.equal(answer.headers.get('location'), '/app/home?x=1')
    const verdict = await ask(agent, '/app/home?x=1')
    assert.equal(verdict.status, 200)
    assert.match(verdict.headers.get('authorization')!, /^Basic /)
    assert.deepEqual(verdict.headers.getSetCookie(), [])
    assert.equal(((await verdict.json()) as { username: string }).username, 'alice')
  })

  const others: readonly [what: string, headers: Record<string, string>][] = [
    ['fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }],
    ['XMLHttpRequest', { 'x-requested-with': 'XMLHttpRequest', accept: 'application/json' }],
    ['EventSource', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }],
    ['WebSocket', { 'sec-fetch-mode': 'websocket', 'sec-websocket-key': 'x', accept: '*/*' }],
    ['curl', { 'sec-fetch-mode': '', 'sec-fetch-dest': '', accept: '*/*' }],
    ['POST', { 'x-forwarded-method': 'POST', accept: 'application/json' }],
  ]
  for (const [what, headers] of others) {
    test(`${what} without a session: 401 in JSON, no cookie, and leads nowhere`, async () => {
      const response = await ask(createUserAgent(), '/api/x', headers)
      assert.equal(response.status, 401)
      assert.equal(((await response.json()) as { error: string }).error, 'identity_missing')
      assert.equal(response.headers.get('location'), null)
      assert.deepEqual(response.headers.getSetCookie(), [])
    })
  }

  test('a prefetch and a frame hear 401, too', async () => {
    for (const headers of [{ 'sec-purpose': 'prefetch' }, { 'sec-fetch-dest': 'iframe' }] as Record<string, string>[]) {
      assert.equal((await ask(createUserAgent(), '/app', headers)).status, 401)
    }
  })

  test('SIGHUP: a changed profile counts for the redirect to the provider, too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
    after(() => rmSync(directory, { recursive: true }))
    const config = join(directory, 'config.yml')
    writeFileSync(config, 'forward_auth:\n  profile: generic\n')
    const gateway = await startForwardAuth({ config })
    assert.equal((await ask(createUserAgent(), '/app', {}, gateway.url)).status, 302)
    writeFileSync(config, 'forward_auth:\n  profile: nginx\n')
    gateway.process.kill('SIGHUP')
    await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
    assert.equal((await ask(createUserAgent(), '/app', {}, gateway.url)).status, 401)
  })

  test('nginx gets its redirect as 401 with Location and one cookie', async () => {
    const response = await ask(createUserAgent(), '/app', {}, nginx)
    assert.equal(response.status, 401)
    assert.equal(new URL(response.headers.get('location')!).origin, idp.issuer)
    assert.equal(response.headers.getSetCookie().length, 1)
  })

  test('no page of ours is a yes: what would be 200 is 403', async () => {
    const { agent } = await signIn()
    for (const [page, headers] of [
      ['/elastauth/signed-out', {}],
      ['/elastauth/logout', { 'sec-fetch-site': 'cross-site' }],
      ['/elastauth/%6cogout', { 'sec-fetch-site': 'cross-site' }],
    ] as const) {
      for (const who of [agent, createUserAgent()]) {
        const response = await ask(who, page, headers)
        assert.equal(response.status, 403, page)
        assert.equal(response.headers.get('authorization'), null)
        assert.match(await response.text(), /<h1>/)
      }
    }
  })

  test('the logout works as a sub-request, by GET from our page and by POST', async () => {
    for (const headers of [{}, { 'x-forwarded-method': 'POST', origin: site }]) {
      const { agent } = await signIn()
      const response = await ask(agent, '/elastauth/logout', { 'sec-fetch-site': 'same-origin', ...headers })
      assert.equal(response.status, 303)
      assert.equal((await ask(agent, '/app')).status, 302)
    }
    const { agent } = await signIn()
    const csrf = { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    assert.equal((await ask(agent, '/elastauth/logout', csrf)).status, 403)
    assert.equal((await ask(agent, '/app')).status, 200)
  })

  test('another site’s page can neither write nor open a WebSocket in somebody’s session', async () => {
    const { agent } = await signIn()
    const elsewhere = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    assert.equal((await ask(agent, '/api', { ...elsewhere, 'x-forwarded-method': 'POST' })).status, 403)
    assert.equal((await ask(agent, '/api', { ...elsewhere, 'sec-websocket-key': 'x' })).status, 403)
    assert.equal(
      (await ask(agent, '/api', { origin: site, 'sec-fetch-site': 'same-origin', 'x-forwarded-method': 'POST' }))
        .status,
      200,
    )
  })

  test('who is no trusted proxy is told of no session, and his X-Forwarded-Uri is nobody’s page', async () => {
    const { agent, callback } = await signIn()
    const cookie = agent.cookies(url)
    for (const target of ['/app', callback, '/elastauth/logout']) {
      const response = await ask(createUserAgent(), target, { cookie }, stranger)
      assert.equal(response.status, 401)
      assert.equal(response.headers.get('authorization'), null)
      assert.deepEqual(response.headers.getSetCookie(), [])
    }
  })

  const strange = [
    '//evil.example/',
    '/\\evil.example',
    'https://evil.example/x',
    'evil',
    '',
    '/a%00',
    `/${'x'.repeat(9000)}`,
  ]
  test('a strange X-Forwarded-Uri leads back to a page here', async () => {
    for (const target of strange) {
      const { answer } = await signIn('alice', target)
      assert.equal(answer.status, 303)
      assert.equal(new URL(answer.headers.get('location')!, site).origin, site)
      assert.doesNotMatch(answer.headers.get('location')!, /^\/\/|evil/)
    }
  })

  test('without https in X-Forwarded-Proto there is no login, and the page says why', async () => {
    const response = await ask(createUserAgent(), '/app', { 'x-forwarded-proto': 'http' })
    assert.equal(response.status, 400)
    assert.match(await response.text(), /Login requires HTTPS/)
  })

  test('nor is one for Envoy, or nginx with $request_uri, which ask by the page’s own address', async () => {
    const proxied = ['X-Forwarded-Proto: https', 'X-Forwarded-Host: kibana.example.com', 'Connection: close']
    const askOwn = (path: string, marks: string[]) => {
      const connection = openRaw(Number(new URL(url).port))
      connection.send([`GET ${path} HTTP/1.1`, 'Host: gate', ...proxied, ...marks, '', ''].join('\r\n'))
      return connection.closed
    }
    for (const marks of [
      ['X-Envoy-Internal: true', 'Content-Length: 0'],
      [`X-Original-URL: ${site}/elastauth/signed-out`],
      ['X-Forwarded-Method: GET'],
    ]) {
      assert.match(await askOwn('/elastauth/signed-out', marks), /^HTTP\/1.1 403 /)
      assert.match(await askOwn('/elastauth/login', marks), /^HTTP\/1.1 302 /)
    }
    assert.match(await askOwn('/elastauth/signed-out', []), /^HTTP\/1.1 200 /)
  })

  test('a back-channel logout that Envoy routes to us from a private network is not a sub-request', async () => {
    const response = await fetch(`${url}/elastauth/backchannel-logout`, {
      method: 'POST',
      headers: { 'X-Envoy-Internal': 'true', 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'logout_token=none',
    })
    assert.equal(response.status, 400)
    assert.equal(((await response.json()) as { error: string }).error, 'logout_invalid')
  })

  test('the pages work where the proxy routes them to us, too', async () => {
    const agent = createUserAgent()
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': new URL(site).host }
    const begun = await agent.request(`${url}/elastauth/login?return_to=/app/x`, { headers })
    const { url: end } = await agent.visit(begun.headers.get('location')!, 'bob', (to) => to.startsWith(site))
    const back = await agent.request(end.replace(site, url), { headers })
    assert.deepEqual([back.status, back.headers.get('location')], [303, '/app/x'])
    const out = await agent.request(`${url}/elastauth/signed-out`, { headers })
    assert.equal(out.status, 200)
  })
})

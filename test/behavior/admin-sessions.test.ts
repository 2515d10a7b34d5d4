import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { keyOf } from '../../src/sessions/session-id.ts'
import { scrape } from '../support/metrics.ts'
import { createUserAgent, type UserAgent } from '../support/oidc/user-agent.ts'
import { exchange } from '../support/raw-http.ts'
import { createFormTestBed, passwords, signInWithForm } from '../support/sign-in-form.ts'

const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'
const basic = (username: 'alice' | 'bob') => ({ authorization: `Basic ${btoa(`${username}:${passwords[username]}`)}` })
const idOf = (agent: UserAgent, url: string) => /__Host-elastauth-session=([\w-]+)/.exec(agent.cookies(url))?.[1] ?? ''

type Body = {
  username: string
  sessions: { id: string; signed_in_at: string; last_used_at: string; browser: string }[]
  ended: number
  error: string
}

/** alice is an administrator, bob is not. */
const adminFlags = { admin_roles: 'superuser' }

describe('the API for administrators', async () => {
  const bed = await createFormTestBed()
  const gateway = await bed.startProxy({
    flags: { ...adminFlags, enable_metrics: 'true', auth_providers: 'users,authelia', trusted_proxies: '127.0.0.1' },
    env: { ELASTAUTH_PROXY_SECRET: 'proxy-secret-of-this-test-0123456789' },
  })
  const { url } = gateway
  const asAlice = { 'remote-user': 'alice', 'remote-groups': 'admins' }
  const byProxy = { ...asAlice, 'x-elastauth-proxy-secret': 'proxy-secret-of-this-test-0123456789' }

  async function call(method: 'GET' | 'DELETE', path: string, headers: Record<string, string> = basic('alice')) {
    const response = await fetch(`${url}/elastauth/admin/${path}`, { method, headers })
    return { status: response.status, body: (await response.json()) as Body, headers: response.headers }
  }
  async function signIn(username: 'alice' | 'bob'): Promise<UserAgent> {
    const agent = createUserAgent({ 'user-agent': firefox })
    await signInWithForm(url, username, { password: passwords[username], agent })
    return agent
  }
  const isSignedIn = async (agent: UserAgent) => (await agent.request(`${url}/app`)).status === 200

  test('an administrator lists the sessions of a user, and none of a user without sessions', async () => {
    const agent = await signIn('bob')
    const { status, body, headers } = await call('GET', 'users/bob/sessions')
    assert.equal(status, 200)
    assert.equal(headers.get('cache-control'), 'no-store')
    const session = body.sessions[0]!
    assert.deepEqual(body, { username: 'bob', sessions: [session] })
    assert.deepEqual([session.id, session.browser], [keyOf(idOf(agent, url)), 'Firefox on Windows'])
    assert.match(session.signed_in_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(session.last_used_at, session.signed_in_at)
    assert.ok(!JSON.stringify(body).includes(idOf(agent, url)))
    const other = await call('GET', 'users/no.such-user@example.com/sessions')
    assert.deepEqual([other.status, other.body.sessions], [200, []])
    await call('DELETE', 'users/bob/sessions')
  })

  test('an administrator ends one session of a user, which is logged with both names, and then all sessions', async () => {
    const [first, second, third] = [await signIn('bob'), await signIn('bob'), await signIn('bob')]
    assert.ok(await isSignedIn(first))
    const path = `users/bob/sessions/${keyOf(idOf(first, url))}`
    const ended = await call('DELETE', path)
    assert.deepEqual([ended.status, ended.body], [200, { username: 'bob', ended: 1 }])
    assert.deepEqual([await isSignedIn(first), await isSignedIn(second)], [false, true])
    const line = await gateway.logged((entry) => entry['event.reason'] === 'ended_by_administrator')
    assert.deepEqual(
      [line['event.action'], line['user.name'], line['user.target.name']],
      ['session_ended', 'alice', 'bob'],
    )
    assert.ok(line['http.request.id'])
    const again = await call('DELETE', path)
    assert.deepEqual([again.status, again.body.error], [404, 'not_found'])
    assert.equal((await call('DELETE', 'users/bob/sessions')).body.ended, 2)
    assert.deepEqual([await isSignedIn(second), await isSignedIn(third)], [false, false])
    assert.equal((await call('DELETE', 'users/bob/sessions')).body.ended, 0)
    assert.ok((await scrape(url))('elastauth_sign_outs_total{by="administrator"}')! >= 3)
  })

  test("a session is not found below another user's name, and stays", async () => {
    const agent = await signIn('bob')
    const id = keyOf(idOf(agent, url))
    for (const path of [
      `users/alice/sessions/${id}`,
      `users/Bob/sessions/${id}`,
      `users/bob/sessions/${idOf(agent, url)}`,
    ])
      assert.equal((await call('DELETE', path)).status, 404, path)
    assert.ok(await isSignedIn(agent))
    await call('DELETE', 'users/bob/sessions')
  })

  test('everyone without one of admin_roles is rejected, even on this machine, without learning what exists', async () => {
    const agent = await signIn('bob')
    const session = { cookie: agent.cookies(url) }
    const path = `users/bob/sessions/${keyOf(idOf(agent, url))}`
    for (const one of [path, 'users/bob/sessions', 'users/bob', 'nothing', '']) {
      for (const method of ['GET', 'DELETE'] as const) {
        const { status, body } = await call(method, one, session)
        assert.deepEqual([status, body.error], [403, 'not_permitted'], `${method} ${one}`)
        assert.equal((await call(method, one, basic('bob'))).status, 403)
        assert.equal((await call(method, one, {})).status, 401)
      }
    }
    assert.ok(await isSignedIn(agent))
    await call('DELETE', 'users/bob/sessions')
  })

  test('header spoofing: identity headers without the proxy secret do not make an administrator', async () => {
    const agent = await signIn('bob')
    for (const headers of [asAlice, { ...asAlice, ...basic('bob') }, { ...asAlice, cookie: agent.cookies(url) }]) {
      const { status } = await call('DELETE', 'users/bob/sessions', headers)
      assert.ok(status === 401 || status === 403, `${status}`)
    }
    assert.ok(await isSignedIn(agent))
    assert.equal((await call('DELETE', 'users/bob/sessions', byProxy)).body.ended, 1)
  })

  for (const [source, headers] of [
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a neighboring host', { 'sec-fetch-site': 'same-site' }],
    ['another site in an older browser', { origin: 'https://evil.example' }],
    ['a sandboxed frame', { origin: 'null' }],
  ] as [string, Record<string, string>][]) {
    test(`CSRF: a request from ${source} ends no session, with an administrator's cookie, password or identity headers`, async () => {
      const [bob, alice] = [await signIn('bob'), await signIn('alice')]
      for (const identity of [{ cookie: alice.cookies(url) }, basic('alice'), byProxy]) {
        const { status, body } = await call('DELETE', 'users/bob/sessions', { ...identity, ...headers })
        assert.deepEqual([status, body.error], [403, 'cross_site'])
      }
      assert.ok(await isSignedIn(bob))
      const sameOrigin = { cookie: alice.cookies(url), 'sec-fetch-site': 'same-origin' }
      assert.equal((await call('DELETE', 'users/bob/sessions', sameOrigin)).body.ended, 1)
      await call('DELETE', 'users/alice/sessions')
    })
  }

  test('a browser gets no permission for a cross-origin DELETE (CORS)', async () => {
    const response = await fetch(`${url}/elastauth/admin/users/bob/sessions`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' },
    })
    assert.equal(response.status, 405)
    assert.equal(response.headers.get('access-control-allow-origin'), null)
  })

  test('a path with another spelling, an encoded slash or a name that no user can have gets 404, and ends no session', async () => {
    const agent = await signIn('bob')
    const names = ['', '%20', 'bob%2F..%2Fbob', 'x%2Fbob', 'bob%00', 'bob%0a', '%ff', '*', 'b%25ob', 'x'.repeat(256)]
    const paths = [
      ...names.map((name) => `/elastauth/admin/users/${name}/sessions`),
      '/elastauth/admin/users/bob%2Fsessions',
      '/elastauth/admin%2Fusers/bob/sessions',
      '/elastauth/admin/users/bob/sessions/',
      '/elastauth/admin/users/bob/sessions/x/y',
      '/elastauth/admin/users/bob/sessions/%ff',
      '/elastauth/admin/users/bob/sessions/%',
      '/elastauth/admin/users//bob/sessions',
      '/elastauth/admin/users/x/../bob/sessions',
      '/elastauth/admin/Users/bob/sessions',
      `/elastauth/admin/users/${'x/'.repeat(5000)}`,
    ]
    for (const path of paths) {
      const lines = [`DELETE ${path} HTTP/1.1`, 'Host: x', `Authorization: ${basic('alice').authorization}`]
      assert.equal((await exchange(url, lines)).status, 404, path.slice(0, 80))
    }
    assert.ok(await isSignedIn(agent))
    // An encoded letter is the same name.
    assert.equal((await call('DELETE', 'users/%62ob/sessions?x=/y')).body.ended, 1)
  })

  test('other methods are rejected', async () => {
    for (const method of ['POST', 'PUT', 'PATCH'])
      assert.equal(
        (await fetch(`${url}/elastauth/admin/users/bob/sessions`, { method, headers: basic('alice') })).status,
        405,
      )
    const id = 'x'.repeat(43)
    const response = await call('GET', `users/bob/sessions/${id}`)
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'DELETE'])
  })

  test('the OpenAPI document and the list of endpoints describe the API', async () => {
    const document = await (await fetch(`${url}/elastauth/openapi.yaml`)).text()
    assert.match(document, /^ {2}\/elastauth\/admin\/users\/\{name\}\/sessions\/\{id\}:$/m)
    assert.match(document, /^ {4}delete:$/m)
    const page = await (await fetch(`${url}/elastauth/docs`)).text()
    assert.match(page, /<code>\/elastauth\/admin\/users\/\{name\}\/sessions<\/code>/)
  })
})

test('the API for administrators does not exist without admin_roles, or if users do not sign in at elastauth', async () => {
  const bed = await createFormTestBed()
  for (const flags of [{}, { ...adminFlags, 'users.login': 'false' }]) {
    const { url } = await bed.startProxy({ flags })
    const response = await fetch(`${url}/elastauth/admin/users/bob/sessions`, { headers: basic('alice') })
    assert.equal(response.status, 404)
    assert.doesNotMatch(await (await fetch(`${url}/elastauth/docs`)).text(), /admin\//)
  }
})

test('in auth-only mode the API for administrators is not served to sub-requests', async () => {
  const bed = await createFormTestBed()
  const { url } = await bed.startForwardAuth({ flags: adminFlags })
  const agent = (await signInWithForm(url, 'bob', { password: passwords.bob })).agent
  const path = `${url}/elastauth/admin/users/bob/sessions`
  const send = (headers: Record<string, string>) =>
    fetch(path, { method: 'DELETE', headers: { ...basic('alice'), ...headers } })
  for (const headers of [
    { 'x-forwarded-uri': '/elastauth/admin/users/bob/sessions' },
    { 'x-original-url': 'http://x/' },
    { 'x-forwarded-method': 'DELETE' },
  ] as Record<string, string>[])
    assert.equal((await send(headers)).status, 403, JSON.stringify(headers))
  const lines = [`DELETE ${new URL(path).pathname} HTTP/1.1`, 'Host: x', 'X-Envoy-Internal: true', 'Content-Length: 0']
  assert.equal((await exchange(url, [...lines, `Authorization: ${basic('alice').authorization}`])).status, 403)
  const sub = { ...basic('alice'), 'x-forwarded-method': 'DELETE', 'x-forwarded-uri': new URL(path).pathname }
  assert.equal((await fetch(url, { headers: { ...sub, 'sec-fetch-site': 'cross-site' } })).status, 403)
  assert.match(await (await agent.request(`${url}/elastauth/account`)).text(), /this session/)
  assert.deepEqual(await (await send({})).json(), { username: 'bob', ended: 1 })
})

test('a reload with other admin_roles applies to the API for administrators at once, and sessions continue', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
  after(() => rmSync(directory, { recursive: true }))
  const config = join(directory, 'config.yml')
  writeFileSync(config, 'admin_roles: []\n')
  const bed = await createFormTestBed()
  const gateway = await bed.startProxy({ flags: { config } })
  const { agent } = await signInWithForm(gateway.url, 'bob', { password: passwords.bob })
  const end = (username: 'alice' | 'bob') =>
    fetch(`${gateway.url}/elastauth/admin/users/bob/sessions`, { method: 'DELETE', headers: basic(username) })
  async function reload(roles: string): Promise<void> {
    const seen = gateway.log.length
    writeFileSync(config, `admin_roles: [${roles}]\n`)
    gateway.process.kill('SIGHUP')
    await gateway.logged(
      (line) => line['event.action'] === 'configuration_reloaded' && gateway.log.indexOf(line) >= seen,
    )
  }
  assert.equal((await end('alice')).status, 404)
  await reload('editor')
  assert.equal((await end('alice')).status, 403)
  assert.equal((await agent.request(`${gateway.url}/app`)).status, 200)
  await reload('superuser')
  assert.equal((await end('bob')).status, 403)
  assert.equal((await end('alice')).status, 200)
  assert.equal((await agent.request(`${gateway.url}/app`)).status, 302)
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathOf, percentDecode } from '../../src/http/target.ts'
import { otherTargets, spellingsOf } from '../conformance/spellings.ts'
import { type Gateway, subRequestUrlOf, testKey } from '../support/gateway.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { exchange, headersOf } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { curlStatus } from './curl.ts'
import { runElastauth, runHealth } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

const ownListener = { 'forward_auth.listen': '127.0.0.1:0' }
const asBob = ['Host: elastauth', 'Remote-User: bob']

async function startSeparated(flags: Record<string, string> = {}) {
  const gateway = await start({ flags: { ...ownListener, ...flags } })
  return { gateway, pages: gateway.url, subRequests: await subRequestUrlOf(gateway) }
}

/** What listen responds with: a redirect from the start page to the list of pages, and 404 for everything else. */
function pageStatus(target: string): 303 | 404 {
  return percentDecode(pathOf(target)) === '/elastauth/' ? 303 : 404
}

describe('with forward_auth.listen', async () => {
  const { gateway, pages, subRequests } = await startSeparated({ 'forward_auth.path_prefix': '/authorize' })
  const get = (url: string, target: string) => exchange(url, [`GET ${target} HTTP/1.1`, ...asBob])

  test('forward_auth.listen serves sub-requests on / and below forward_auth.path_prefix', async () => {
    for (const target of ['/', '/?x', '/elastauth', '/authorize/app/home']) {
      const response = await get(subRequests, target)
      assert.deepEqual([response.status, headersOf(response, 'authorization').length], [200, 1], target)
    }
  })

  for (const target of [
    '/',
    '/?x',
    '/elastauth',
    '/authorize/app/home',
    ...spellingsOf('elastauth'),
    ...otherTargets,
  ]) {
    test(`with forward_auth.listen, listen responds to ${target.slice(0, 40)} with ${pageStatus(target)} and no credential`, async () => {
      const response = await get(pages, target)
      assert.deepEqual([response.status, headersOf(response, 'authorization')], [pageStatus(target), []])
    })
  }

  test('the log line about a sub-request on listen says to use forward_auth.listen', async () => {
    await get(pages, '/?wrong-listener')
    const { message } = await gateway.logged(({ message = '' }) => message.startsWith('GET / 404 '))
    assert.match(
      message!,
      /only the endpoints below \/elastauth\/: point the proxy's auth address to \/ on forward_auth\.listen$/,
    )
  })

  test('listen serves the pages below /elastauth/', async () => {
    for (const page of ['health', 'ready', 'whoami', 'docs', 'openapi.yaml'])
      assert.equal((await get(pages, `/elastauth/${page}`)).status, 200, page)
  })

  test('forward_auth.listen responds to pages with 404, and the log says to route /elastauth/ to listen', async () => {
    for (const target of [
      '/elastauth/health',
      '/elastauth/whoami',
      '/%65lastauth/health',
      '/elastauth/nothing',
      '/elastauth/%ff',
    ]) {
      const response = await get(subRequests, target)
      assert.deepEqual([response.status, headersOf(response, 'authorization')], [404, []], target)
    }
    const { message } = await gateway.logged(({ message = '' }) => message.startsWith('GET /elastauth/health 404 '))
    assert.match(message!, /route \/elastauth\/ to an address of listen$/)
  })

  test('with forward_auth.listen, the OpenAPI document on listen does not describe sub-requests', async () => {
    const { body } = await get(pages, '/elastauth/openapi.yaml')
    assert.doesNotMatch(body, /Forward auth|^ {2}\/:/m)
  })

  test('trusted_proxies and proxy_secret apply to both listen and forward_auth.listen', async () => {
    const strict = await startSeparated({ trusted_proxies: '127.0.0.2' })
    assert.equal((await get(strict.subRequests, '/')).status, 401)
    assert.equal((await get(strict.pages, '/elastauth/whoami')).status, 401)
    const from = { localAddress: '127.0.0.2' }
    assert.equal((await exchange(strict.subRequests, ['GET / HTTP/1.1', ...asBob], from)).status, 200)
  })

  test('with forward_auth.profile nginx, listen and forward_auth.listen respond with 403 instead of 404', async () => {
    const nginx = await startSeparated({ 'forward_auth.profile': 'nginx' })
    assert.equal((await get(nginx.pages, '/')).status, 403)
    assert.equal((await get(nginx.subRequests, '/elastauth/health')).status, 403)
    assert.equal((await get(nginx.subRequests, '/')).status, 200)
  })

  test('with forward_auth.listen, elastauth health connects to listen', async () => {
    const { code, stdout } = await runHealth(['--listen', new URL(pages).host])
    assert.deepEqual([code, /responded with 200/.test(stdout)], [0, true])
  })
})

test('listen and forward_auth.listen keep pages and sub-requests apart when both are lists with unix sockets', async () => {
  const [pages, subRequests] = [join(directory, 'pages.sock'), join(directory, 'sub.sock')]
  await start({
    flags: {
      listen: `127.0.0.1:0,unix:${pages}`,
      'forward_auth.listen': `127.0.0.1:0,unix:${subRequests}`,
      trusted_proxies: 'unix',
    },
  })
  const status = (path: string, target: string) =>
    curlStatus('--unix-socket', path, '-H', 'Remote-User: bob', `http://elastauth${target}`)
  assert.deepEqual([await status(pages, '/'), await status(pages, '/elastauth/health')], ['404', '200'])
  assert.deepEqual([await status(subRequests, '/'), await status(subRequests, '/elastauth/health')], ['200', '404'])
})

test('listen and forward_auth.listen keep pages and sub-requests apart over TLS and HTTP/2', async () => {
  const { pages, subRequests } = await startSeparated({ ...tlsFlags(), 'forward_auth.listen': 'https://127.0.0.1:0' })
  const get = async (url: string, path: string) => {
    const session = connect(url, { ca: authority.cert })
    try {
      const stream = session.request({ ':path': path, 'remote-user': 'bob' })
      const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
      stream.on('response', resolve).on('error', reject)
      const headers = await promise
      return [headers[':status'], 'authorization' in headers]
    } finally {
      session.destroy()
    }
  }
  assert.deepEqual(await get(subRequests, '/'), [200, true])
  assert.deepEqual(await get(subRequests, '/elastauth/health'), [404, false])
  assert.deepEqual(await get(pages, '/elastauth/health'), [200, false])
  for (const path of ['/', '/?x', '/elastauth/%ff', '//elastauth/x', '/elastauth/%2e%2e/'])
    assert.deepEqual(await get(pages, path), [404, false], path)
})

test('an address in use is reported as a fault of forward_auth.listen, and no listener starts', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  const { code, stderr } = await runElastauth(
    ['--listen', '127.0.0.1:0', '--forward_auth.listen', `127.0.0.1:${port}`],
    {
      ELASTAUTH_SECRET_KEY: testKey,
      ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true',
    },
  )
  taken.close()
  assert.equal(code, 1)
  assert.match(stderr, /forward_auth\.listen +is in use by another program .*--forward_auth\.listen/)
})

test('SIGHUP reloads the path prefix, and reports that a changed forward_auth.listen needs a restart', async () => {
  const config = join(directory, 'reload.yml')
  const write = (prefix: string, port: number) =>
    writeFileSync(config, `forward_auth: { path_prefix: ${prefix}, listen: "127.0.0.1:${port}" }\n`)
  write('/one', 0)
  const gateway: Gateway = await start({ flags: { config } })
  const subRequests = await subRequestUrlOf(gateway)
  const status = async (target: string) => (await exchange(subRequests, [`GET ${target} HTTP/1.1`, ...asBob])).status
  assert.deepEqual([await status('/one/x'), await status('/two/x')], [200, 404])
  write('/two', 1)
  gateway.process.kill('SIGHUP')
  const { message } = await gateway.logged(({ message = '' }) => message.startsWith('configuration reloaded'))
  assert.match(message!, /need a restart: forward_auth\.listen$/)
  assert.deepEqual([await status('/one/x'), await status('/two/x')], [404, 200])
})

describe('with forward_auth.listen and sign-in through elastauth', async () => {
  const { idp, startForwardAuth } = await createOidcTestBed()
  const site = 'https://kibana.example.com'
  idp.register(site)
  const env = { ELASTAUTH_DEFAULT_ROLES: 'viewer' }
  const gateway = await startForwardAuth(ownListener, env)
  const subRequests = await subRequestUrlOf(gateway)
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': new URL(site).host }

  /** Signs in through the route for browsers, as a proxy forwards it. */
  async function signIn(url = gateway.url) {
    const agent = createUserAgent()
    const redirect = await agent.request(`${url}/elastauth/login`, { headers: forwarded })
    const { url: callback } = await agent.visit(redirect.headers.get('location')!, 'alice', (to) => to.startsWith(site))
    await agent.request(callback.replace(site, url), { headers: forwarded })
    return agent.cookies(url)
  }

  const send = (url: string, target: string, headers: Record<string, string>) =>
    exchange(url, [`GET ${target} HTTP/1.1`, 'Host: kibana', ...Object.entries(headers).map(([n, v]) => `${n}: ${v}`)])

  test("a signed-in user gets a credential through a sub-request, and never on the browser's listener", async () => {
    const cookie = await signIn()
    const response = await send(subRequests, '/', { ...forwarded, cookie })
    assert.deepEqual([response.status, headersOf(response, 'authorization').length], [200, 1])
    for (const target of ['/', '/?x', '/elastauth', ...spellingsOf('elastauth'), ...otherTargets]) {
      const response = await send(gateway.url, target, { ...forwarded, cookie })
      assert.deepEqual([response.status, headersOf(response, 'authorization')], [pageStatus(target), []], target)
    }
  })

  test("a path that Traefik's StripPrefix or Envoy's prefix_rewrite produces from /elastauth/ is not a sub-request on listen", async () => {
    const cookie = await signIn()
    for (const prefixHeader of [{ 'x-forwarded-prefix': '/elastauth' }, { 'x-envoy-original-path': '/elastauth/' }]) {
      for (const target of ['/', '/?return_to=/', '/x', '//']) {
        const response = await send(gateway.url, target, { ...forwarded, ...prefixHeader, cookie })
        assert.deepEqual([response.status, headersOf(response, 'authorization')], [404, []], target)
      }
    }
  })

  test('/elastauth is not a sub-request if users sign in through elastauth, even without forward_auth.listen, and the log says to use /', async () => {
    const single = await startForwardAuth({}, env)
    const cookie = await signIn(single.url)
    const response = await send(single.url, '/elastauth', { ...forwarded, cookie })
    assert.deepEqual([response.status, headersOf(response, 'authorization')], [404, []])
    await single.logged(({ message = '' }) => /^GET \/elastauth 404 .*address there, not to \/elastauth$/.test(message))
    assert.equal((await send(single.url, '/', { ...forwarded, cookie })).status, 200)
  })

  test('/elastauth is a sub-request if oidc.login is false', async () => {
    const tokens = await startForwardAuth({ 'oidc.login': 'false' }, env)
    const headers = { authorization: `Bearer ${await idp.sign()}` }
    assert.equal((await send(tokens.url, '/elastauth', headers)).status, 200)
  })

  test("a client's own Remote-User on the browser's route gets no credential, whatever auth_providers contains", async () => {
    const chained = await startForwardAuth({ ...ownListener, auth_providers: 'oidc,authelia' }, env)
    for (const target of ['/', ...spellingsOf('elastauth')]) {
      const response = await send(chained.url, target, {
        ...forwarded,
        'remote-user': 'elsa',
        'remote-groups': 'admins',
      })
      assert.deepEqual([response.status, headersOf(response, 'authorization')], [pageStatus(target), []], target)
    }
  })
})

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { otherTargets, spellingsOf } from '../../conformance/spellings.ts'
import { subRequestUrlOf } from '../../support/gateway.ts'
import { createOidcTestBed } from '../../support/oidc/test-bed.ts'
import { createUserAgent } from '../../support/oidc/user-agent.ts'
import { headersOf, openRaw, parseResponse, type RawResponse } from '../../support/raw-http.ts'
import { createOidcProxies, type OidcProxies } from './oidc-proxies.ts'
import { type Running, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

const targets = ['/elastauth', '/elastauth?x', '/?x', ...spellingsOf('elastauth'), ...otherTargets]
const separated = { 'forward_auth.listen': '127.0.0.1:0' }

/** A misconfiguration of the route to the pages: it matches all of `/elastauth/`, and strips the prefix. */
const stripping: Record<keyof OidcProxies, (configuration: string) => string> = {
  nginx: (text) =>
    replaced(text, /location ~ \^\/elastauth\/.* \{(\s+proxy_pass http:\/\/[^;]+);/, 'location /elastauth/ {$1/;'),
  caddy: (text) => replaced(text, 'handle @pages', 'handle_path /elastauth/*'),
  haproxy: (text) =>
    replaced(
      replaced(text, /acl elastauth .*/, 'acl elastauth path_beg /elastauth/'),
      'backend elastauth\n',
      'backend elastauth\n  http-request replace-path /elastauth/(.*) /\\1\n',
    ),
  traefik: (text) =>
    replaced(
      replaced(
        replaced(text, /Path\(`\/elastauth\/login`\)/, 'PathPrefix(`/elastauth/`)'),
        /middlewares: \[strip\]/,
        'middlewares: [strip, strip-prefix]',
      ),
      '  middlewares:\n',
      '  middlewares:\n    strip-prefix: { stripPrefix: { prefixes: [/elastauth] } }\n',
    ),
}

for (const kind of Object.keys(stripping) as (keyof OidcProxies)[]) {
  const { [kind]: documented } = createOidcProxies()
  const { [kind]: misconfigured } = createOidcProxies(stripping)
  const missing = skipWithout(documented)
  if (missing !== false && documented.isOptional) continue
  describe(`behind ${documented.name}, configured as docs/oidc.md says`, { skip: missing }, async () => {
    const { idp, app, appRequests, startForwardAuth } = await createOidcTestBed()
    const cleanup = new AsyncDisposableStack()
    after(() => cleanup.disposeAsync())

    /** Starts elastauth and the proxy, and signs a user in through both. */
    async function startBehind(realProxy = documented, flags: Record<string, string> = separated) {
      const gateway = await startForwardAuth({ 'forward_auth.profile': documented.profile, ...flags })
      const subRequestUrl = 'forward_auth.listen' in flags ? await subRequestUrlOf(gateway) : gateway.url
      const [elastauth, subRequests, kibana] = [gateway.url, subRequestUrl, app.url].map((url) => new URL(url).host)
      const backends = {
        authelia: '',
        elastauth: elastauth!,
        subRequests: subRequests!,
        kibana: kibana!,
        proxySecret: '',
      }
      const proxy = await startRealProxy(realProxy, backends, cleanup)
      const direct = realProxy === documented ? proxy : await startRealProxy(documented, backends, cleanup)
      idp.register(direct.url)
      const agent = createUserAgent()
      const { body } = await agent.visit(`${direct.url}/app/home`, 'alice')
      assert.match(body, /Hello alice/)
      return { proxy, gateway, cookie: agent.cookies(direct.url) }
    }

    // Not in a hook, because processes that a hook starts end with it.
    const { proxy, gateway, cookie } = await startBehind()

    /** Prevents a test from passing only because the application is unreachable. */
    async function assertReachable(through: Running, withCookie: string): Promise<void> {
      const page = await sendRequest(through, '/app/home', [`Cookie: ${withCookie}`])
      assert.match(page!.body, /Hello alice/)
    }

    test("no spelling of a path returns a credential to a signed-in user's browser", async () => {
      for (const target of targets) assertNoCredential(await sendRequest(proxy, target, [`Cookie: ${cookie}`]), target)
      await assertReachable(proxy, cookie)
    })

    test('no spelling of a path returns a credential to any other client, whatever headers the client sends', async () => {
      const forged = ['Remote-User: mallory', 'Remote-Groups: admins', 'X-Forwarded-Uri: /', 'X-Forwarded-Method: GET']
      for (const target of targets) assertNoCredential(await sendRequest(proxy, target, forged), target)
      await assertReachable(proxy, cookie)
    })

    test("elastauth's pages are served, and other requests reach the application", async () => {
      const login = await sendRequest(proxy, '/elastauth/login?return_to=/app')
      assert.equal(login?.status, 302)
      await assertReachable(proxy, cookie)
    })

    test('only the elastauth pages that a browser needs are routed to elastauth', async () => {
      const { proxy, cookie } = await startBehind(documented, { ...separated, enable_metrics: 'true' })
      const names = ['health', 'live', 'ready', 'metrics', 'whoami', 'config', 'docs', 'openapi.yaml']
      for (const target of names.flatMap((name) => [
        `/elastauth/${name}`,
        `/elastauth/%${hexOf(name[0]!)}${name.slice(1)}`,
      ])) {
        const stranger = await sendRequest(proxy, target)
        assert.ok([302, 401].includes(stranger!.status), `${target}: ${stranger?.status}`)
        assert.match((await sendRequest(proxy, target, [`Cookie: ${cookie}`]))!.body, /Hello alice/, target) // the application
      }
      for (const target of [
        '/elastauth/callback',
        '/elastauth/logout',
        '/elastauth/signed-out',
        '/elastauth/account',
        '/elastauth/backchannel-logout',
      ]) {
        const { status, text } = (await sendRequest(proxy, target, [`Cookie: ${cookie}`]))!
        assert.doesNotMatch(text, /Hello alice/, `${target}: ${status}`)
      }
    })

    test("logs the method and path of a request for elastauth's pages when the client forges X-Forwarded-* and X-Original-*", async () => {
      const forged = [
        'X-Forwarded-Method: DELETE',
        'X-Forwarded-Uri: /forged',
        'X-Forwarded-Host: forged.example.com',
        'X-Original-Method: DELETE',
        'X-Original-URL: https://forged.example.com/forged',
        'X-Forwarded-For: 203.0.113.7',
        'Forwarded: for=203.0.113.7',
      ]
      assert.equal((await sendRequest(proxy, '/elastauth/signed-out?forged', forged))?.status, 200)
      const line = await gateway.logged((entry) => /signed-out|forged/.test(String(entry['url.path'])))
      const { 'http.request.method': method, 'url.path': path, 'url.domain': domain } = line
      assert.deepEqual([method, path], ['GET', '/elastauth/signed-out'])
      assert.doesNotMatch(String(domain), /forged/)
      assert.equal(line['client.ip'], '127.0.0.1')
    })

    test("the log has the client's address for a sub-request when the client forges X-Forwarded-For and Forwarded", async () => {
      const forged = [`Cookie: ${cookie}`, 'X-Forwarded-For: 203.0.113.7', 'Forwarded: for=203.0.113.7']
      assert.equal((await sendRequest(proxy, '/app/address', forged))?.status, 200)
      const line = await gateway.logged((entry) => entry['url.path'] === '/app/address')
      assert.deepEqual([line['client.ip'], line['user.name']], ['127.0.0.1', 'alice'])
    })

    test("with auth_providers [oidc, authelia], a client's own Remote-User is ignored in any spelling", async () => {
      const chained = await startBehind(documented, { ...separated, auth_providers: 'oidc,authelia' })
      const count = appRequests.length
      for (const name of ['Remote-User', 'remote-user', 'REMOTE-USER', 'Remote_User', 'Remote.User']) {
        const forged = [`${name}: mallory`, 'Remote-Groups: admins', 'Remote-Email: m@example.com', 'Remote-Name: M']
        const response = await sendRequest(chained.proxy, '/app/home', forged)
        assert.ok(
          response!.status === 401 || response!.status === 302 || response!.status === 400,
          `${name}: ${response?.status}`,
        )
        const login = await sendRequest(chained.proxy, '/elastauth/login', forged)
        assert.doesNotMatch(login!.text, /mallory/, name)
      }
      assert.equal(appRequests.length, count)
    })

    test('a route that strips the prefix does not return a credential to the browser', async () => {
      const stripped = await startBehind(misconfigured)
      for (const target of ['/elastauth/', '/elastauth/?x', '/elastauth/elastauth', '/elastauth//', ...targets]) {
        assertNoCredential(await sendRequest(stripped.proxy, target, [`Cookie: ${stripped.cookie}`]), target)
      }
      await assertReachable(stripped.proxy, stripped.cookie)
      // The route is misconfigured as intended: it does not find the page.
      assert.ok([403, 404].includes((await sendRequest(stripped.proxy, '/elastauth/login'))!.status))
    })

    test('without forward_auth.listen, a route that strips the prefix returns a credential to the browser, which is why docs/oidc.md sets it', async () => {
      const stripped = await startBehind(misconfigured, {})
      const response = await sendRequest(stripped.proxy, '/elastauth/', [`Cookie: ${stripped.cookie}`])
      assert.equal(headersOf(response!, 'Authorization').length, 1)
    })
  })
}

function replaced(text: string, from: string | RegExp, to: string): string {
  const changed = text.replace(from, to)
  assert.notEqual(changed, text, String(from))
  return changed
}

const hexOf = (character: string) => character.charCodeAt(0).toString(16)

function assertNoCredential(response: (RawResponse & { text: string }) | undefined, target: string): void {
  if (response === undefined) return // the proxy closed the connection
  assert.deepEqual(headersOf(response, 'Authorization'), [], target)
  assert.doesNotMatch(response.text, /Authentication successful|authorization: *basic/i, target)
}

/** Sends a target byte for byte. @returns undefined where the proxy closes the connection without a response */
async function sendRequest({ port }: Pick<Running, 'port'>, target: string, lines: readonly string[] = []) {
  const connection = openRaw(port)
  const html = 'Accept: text/html'
  connection.sendLines(`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, html, 'Connection: close', ...lines, '')
  const text = await connection.closed
  const read = parseResponse(text)
  return read && { ...read.response, text }
}

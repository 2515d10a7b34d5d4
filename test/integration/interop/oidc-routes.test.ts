import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { type ProxyResponse, valuesOf } from '../../conformance/message.ts'
import { readResponse } from '../../conformance/read-answer.ts'
import { otherTargets, spellingsOf } from '../../conformance/spellings.ts'
import { subRequestUrlOf } from '../../support/gateway.ts'
import { createOidcTestBed } from '../../support/oidc/test-bed.ts'
import { createUserAgent } from '../../support/oidc/user-agent.ts'
import { whyNotInstalled } from './installed.ts'
import { createOidcProxies, type OidcProxies } from './oidc-interop.ts'
import { type Running, startRealProxy } from './proxy.ts'

const targets = ['/elastauth', '/elastauth?x', '/?x', ...spellingsOf('elastauth'), ...otherTargets]
const separated = { 'forward_auth.listen': '127.0.0.1:0' }

/** What an administrator may do to the route for the pages: send all of `/elastauth/` that way, and strip the prefix. */
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
  const { [kind]: sound } = createOidcProxies()
  const { [kind]: misconfigured } = createOidcProxies(stripping)
  const missing = whyNotInstalled(sound)
  if (missing !== false && sound.isOptional) continue
  describe(`behind ${sound.name}, as docs/oidc.md says`, { skip: missing }, async () => {
    const { idp, app, reached, startForwardAuth } = await createOidcTestBed()
    const until = new AsyncDisposableStack()
    after(() => until.disposeAsync())

    /** elastauth, the proxy, and a user who has signed in through both. */
    async function startBehind(neighbour = sound, flags: Record<string, string> = separated) {
      const gateway = await startForwardAuth({ 'forward_auth.profile': sound.profile, ...flags })
      const subRequestUrl = 'forward_auth.listen' in flags ? await subRequestUrlOf(gateway) : gateway.url
      const [elastauth, subRequests, kibana] = [gateway.url, subRequestUrl, app.url].map((url) => new URL(url).host)
      const around = {
        authelia: '',
        elastauth: elastauth!,
        subRequests: subRequests!,
        kibana: kibana!,
        proxySecret: '',
      }
      const proxy = await startRealProxy(neighbour, around, until)
      const direct = neighbour === sound ? proxy : await startRealProxy(sound, around, until)
      idp.register(direct.url)
      const agent = createUserAgent()
      const { body } = await agent.visit(`${direct.url}/app/home`, 'alice')
      assert.match(body, /Hello alice/)
      return { proxy, cookie: agent.cookies(direct.url) }
    }

    // Not in a hook, because processes that a hook starts end with it.
    const { proxy, cookie } = await startBehind()

    /** So that no test passes only because the application is unreachable. */
    async function assertInService(through: Running, withCookie: string): Promise<void> {
      const page = await ask(through, '/app/home', [`Cookie: ${withCookie}`])
      assert.match(page!.body, /Hello alice/)
    }

    test('no spelling of a path brings a credential to the browser of a signed-in user', async () => {
      for (const target of targets) assertNoCredential(await ask(proxy, target, [`Cookie: ${cookie}`]), target)
      await assertInService(proxy, cookie)
    })

    test('no spelling of a path brings a credential to any other client, whatever headers it sends', async () => {
      const claims = ['Remote-User: mallory', 'Remote-Groups: admins', 'X-Forwarded-Uri: /', 'X-Forwarded-Method: GET']
      for (const target of targets) assertNoCredential(await ask(proxy, target, claims), target)
      await assertInService(proxy, cookie)
    })

    test("elastauth's pages are served, and other requests reach the application", async () => {
      const login = await ask(proxy, '/elastauth/login?return_to=/app')
      assert.equal(login?.status, 302)
      await assertInService(proxy, cookie)
    })

    test("only those of elastauth's pages that a browser needs are routed to it", async () => {
      const { proxy, cookie } = await startBehind(sound, { ...separated, enable_metrics: 'true' })
      const names = ['health', 'live', 'ready', 'metrics', 'whoami', 'config', 'docs', 'openapi.yaml']
      for (const target of names.flatMap((name) => [
        `/elastauth/${name}`,
        `/elastauth/%${hexOf(name[0]!)}${name.slice(1)}`,
      ])) {
        const stranger = await ask(proxy, target)
        assert.ok([302, 401].includes(stranger!.status), `${target}: ${stranger?.status}`)
        assert.match((await ask(proxy, target, [`Cookie: ${cookie}`]))!.body, /Hello alice/, target) // the application
      }
      for (const target of [
        '/elastauth/callback',
        '/elastauth/logout',
        '/elastauth/signed-out',
        '/elastauth/backchannel-logout',
      ]) {
        const { status, text } = (await ask(proxy, target, [`Cookie: ${cookie}`]))!
        assert.doesNotMatch(text, /Hello alice/, `${target}: ${status}`)
      }
    })

    test("with auth_providers [oidc, authelia] a client's own Remote-User is ignored, in any spelling", async () => {
      const chained = await startBehind(sound, { ...separated, auth_providers: 'oidc,authelia' })
      const count = reached.length
      for (const name of ['Remote-User', 'remote-user', 'REMOTE-USER', 'Remote_User', 'Remote.User']) {
        const claims = [`${name}: mallory`, 'Remote-Groups: admins', 'Remote-Email: m@example.com', 'Remote-Name: M']
        const answer = await ask(chained.proxy, '/app/home', claims)
        assert.ok(
          answer!.status === 401 || answer!.status === 302 || answer!.status === 400,
          `${name}: ${answer?.status}`,
        )
        const login = await ask(chained.proxy, '/elastauth/login', claims)
        assert.doesNotMatch(login!.text, /mallory/, name)
      }
      assert.equal(reached.length, count)
    })

    test('a route that strips the prefix does not bring a credential to the browser', async () => {
      const stripped = await startBehind(misconfigured)
      for (const target of ['/elastauth/', '/elastauth/?x', '/elastauth/elastauth', '/elastauth//', ...targets]) {
        assertNoCredential(await ask(stripped.proxy, target, [`Cookie: ${stripped.cookie}`]), target)
      }
      await assertInService(stripped.proxy, stripped.cookie)
      // The route is misconfigured as intended: it does not find the page.
      assert.ok([403, 404].includes((await ask(stripped.proxy, '/elastauth/login'))!.status))
    })

    test('without forward_auth.listen that route would bring one, which is why docs/oidc.md has it', async () => {
      const stripped = await startBehind(misconfigured, {})
      const answer = await ask(stripped.proxy, '/elastauth/', [`Cookie: ${stripped.cookie}`])
      assert.equal(valuesOf(answer!.headers, 'Authorization').length, 1)
    })
  })
}

function replaced(text: string, from: string | RegExp, to: string): string {
  const changed = text.replace(from, to)
  assert.notEqual(changed, text, String(from))
  return changed
}

const hexOf = (character: string) => character.charCodeAt(0).toString(16)

function assertNoCredential(answer: (ProxyResponse & { text: string }) | undefined, target: string): void {
  if (answer === undefined) return // the proxy closed the connection
  assert.deepEqual(valuesOf(answer.headers, 'Authorization'), [], target)
  assert.doesNotMatch(answer.text, /Authentication successful|authorization: *basic/i, target)
}

/** Sends a target byte for byte as it is. @returns undefined where the proxy closes the connection without a response */
async function ask({ port }: Pick<Running, 'port'>, target: string, lines: readonly string[] = []) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}) // a reset is a close too
  const html = 'Accept: text/html'
  socket.write(
    [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, html, 'Connection: close', ...lines, '', ''].join('\r\n'),
  )
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
  const received = Buffer.concat(chunks)
  const answer = readResponse(received, false)?.answer
  return answer && { ...answer, text: received.toString('latin1') }
}

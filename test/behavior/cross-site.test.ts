import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchange } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture } from './fixture.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const upstream = await startRawUpstream((socket, head) =>
  socket.write(/^upgrade:/im.test(head) ? switchingProtocols : ok),
)
const asStatic = { auth_provider: 'static', 'static.username': 'developer' }
const { start } = await createFixture()
const [byHeaders, byStatic, forwardAuth, staticForwardAuth] = await Promise.all([
  startProxy(upstream.url),
  startProxy(upstream.url, { flags: asStatic }),
  start(),
  start({ flags: asStatic }),
])
const evil = 'Origin: https://evil.example'
const crossSite: readonly string[][] = [
  [evil],
  ['Origin: null'],
  ['Origin: http://kibana.example.com:1'],
  ['Sec-Fetch-Site: cross-site', evil],
  ['Sec-Fetch-Site: same-site', 'Origin: http://wiki.example.com'],
  ['Sec-Fetch-Site: cross-site', 'Origin: http://kibana.example.com'],
  ['Referer: https://evil.example/page'],
  // A real browser sends this header once.
  ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
]
const notCrossSite: readonly string[][] = [
  [],
  ['Sec-Fetch-Site: none'],
  ['Sec-Fetch-Site: same-origin', 'Origin: http://kibana.example.com'],
  // A proxy that changes Host without reporting the original one.
  ['Sec-Fetch-Site: same-origin', 'Origin: https://public.example.com'],
  ['Origin: http://kibana.example.com'],
  // TLS ends at a proxy that does not report it.
  ['Origin: https://kibana.example.com'],
  ['X-Forwarded-Host: public.example.com', 'X-Forwarded-Proto: https', 'Origin: https://public.example.com'],
]
const form = ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0']
const user = 'Remote-User: bob'

async function ask({ url }: { url: string }, method: string, lines: readonly string[]) {
  const before = upstream.received().length
  const { status, body } = await exchange(url, [`${method} / HTTP/1.1`, 'Host: kibana.example.com', ...lines])
  const error = status === 200 ? undefined : JSON.parse(body).error
  return { status, error, reached: upstream.received().length > before }
}

const isRejected = { status: 403, error: 'cross_site', reached: false }

for (const [name, gateway] of [
  ['asserted by a header', byHeaders],
  ['static', byStatic],
] as const) {
  describe(`proxy mode, where the identity is ${name}`, () => {
    for (const lines of crossSite) {
      test(`rejects a write with ${lines.join(', ')} as cross-site, before the upstream sees it`, async () => {
        for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
          assert.deepEqual(await ask(gateway, method, [user, ...form, ...lines]), isRejected, method)
      })
    }

    for (const lines of notCrossSite) {
      test(`forwards a write with ${lines.join(', ') || 'neither Origin nor Sec-Fetch-Site'}`, async () => {
        assert.equal((await ask(gateway, 'POST', [user, ...form, ...lines])).status, 200)
      })
    }

    test('forwards GET, HEAD and OPTIONS from any site', async () => {
      for (const method of ['GET', 'OPTIONS']) {
        const { status } = await ask(gateway, method, [user, evil, 'Sec-Fetch-Site: cross-site'])
        assert.equal(status, 200, method)
      }
      const head = await fetch(gateway.url, { method: 'HEAD', headers: { 'Remote-User': 'bob', Origin: 'http://x' } })
      assert.equal(head.status, 200)
    })

    test("rejects a WebSocket from a cross-site page, and opens a WebSocket from the application's own page (cross-site WebSocket hijacking)", async () => {
      const before = upstream.received()
      for (const lines of crossSite)
        assert.match(
          await requestWebSocket(gateway, '/ws', [user, ...lines]).closed,
          /^HTTP\/1.1 403 [\s\S]*"cross_site"/,
        )
      assert.equal(upstream.received(), before)
      for (const lines of [[], ['Origin: http://es'], ['Sec-Fetch-Site: same-origin']]) {
        const connection = requestWebSocket(gateway, '/ws', [user, ...lines])
        await connection.until(/^HTTP\/1.1 101 /)
        connection.socket.destroy()
      }
    })
  })
}

for (const [name, gateway] of [
  ['asserted by a header', forwardAuth],
  ['static', staticForwardAuth],
] as const) {
  describe(`auth-only mode, where the identity is ${name}`, () => {
    const writes: readonly (readonly [method: string, line: string])[] = [
      ['GET', 'X-Forwarded-Method: POST'],
      ['GET', 'X-Original-Method: DELETE'],
      ['GET', 'Sec-WebSocket-Key: a2V5'],
      ['POST', 'X-Forwarded-Host: kibana.example.com'],
    ]
    for (const lines of crossSite) {
      test(`rejects a sub-request about a write with ${lines.join(', ')} as cross-site`, async () => {
        for (const [method, line] of writes)
          assert.deepEqual(await ask(gateway, method, [user, line, ...lines]), isRejected, line)
      })
    }

    for (const lines of notCrossSite) {
      test(`accepts a sub-request about a write with ${lines.join(', ') || 'neither Origin nor Sec-Fetch-Site'}`, async () => {
        assert.equal((await ask(gateway, 'GET', [user, 'X-Forwarded-Method: POST', ...lines])).status, 200)
      })
    }

    test('accepts a sub-request about a GET, HEAD or OPTIONS from any site', async () => {
      for (const line of ['X-Forwarded-Method: GET', 'X-Original-Method: HEAD', 'X-Forwarded-Method: OPTIONS'])
        assert.equal((await ask(gateway, 'GET', [user, line, evil])).status, 200)
    })
  })
}

test('logs the method and path of a request that is rejected as cross-site', async () => {
  await ask(byHeaders, 'POST', [user, ...form, evil])
  const line = await byHeaders.logged((entry) => entry['error.code'] === 'cross_site')
  assert.match(line.message!, /^POST \/ 403 /)
  assert.ok(portOf(byHeaders) > 0)
})

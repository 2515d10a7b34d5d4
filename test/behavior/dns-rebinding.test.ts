import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchange } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const secret = 'a-shared-secret-of-32-characters'
const asStatic = { auth_provider: 'static', 'static.username': 'developer' }
const upstream = await startRawUpstream((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
const { start, userCalls } = await createFixture()
const [forwardAuth, allAddresses, withSecret, staticForwardAuth, proxy, staticProxy] = await Promise.all([
  start(),
  start({ flags: { listen: '0.0.0.0:0' } }),
  start({ env: { ELASTAUTH_PROXY_SECRET: secret } }),
  start({ flags: asStatic }),
  startProxy(upstream.url),
  startProxy(upstream.url, { flags: asStatic }),
])

async function ask(gateway: { url: string }, host: string, ...lines: string[]) {
  const { status, head, body } = await exchange(`http://127.0.0.1:${portOf(gateway)}`, [
    'GET / HTTP/1.1',
    `Host: ${host}`,
    ...lines,
  ])
  assert.ok(status === 200 || !/^authorization:/im.test(head))
  return [status, status === 200 ? undefined : JSON.parse(body).error]
}

const isRejected = [401, 'peer_untrusted']

for (const [name, gateway, lines] of [
  ['auth-only mode', forwardAuth, ['Remote-User: bob']],
  ['auth-only mode on all addresses', allAddresses, ['Remote-User: bob']],
  ['auth-only mode with static', staticForwardAuth, []],
  ['proxy mode', proxy, ['Remote-User: bob']],
  ['proxy mode with static', staticProxy, []],
] as const) {
  describe(`${name}, with a request from a browser on the same machine`, () => {
    const port = portOf(gateway)

    for (const host of [
      'evil.test',
      'EVIL.test',
      'evil.test.',
      'localhost.evil.test',
      '127.0.0.1.evil.test',
      'a.b-c_d.e',
      'localhost..',
      'a.localhost..',
    ]) {
      test(`rejects an identity if Host is ${host} with the listener's port (DNS rebinding)`, async () => {
        const before = [userCalls(), upstream.received()]
        assert.deepEqual(await ask(gateway, `${host}:${port}`, ...lines), isRejected)
        assert.deepEqual([userCalls(), upstream.received()], before)
      })
    }

    for (const host of [
      'localhost',
      'kibana.localhost',
      'LOCALHOST.',
      '127.0.0.1',
      '[::1]',
      '192.0.2.7',
      'elastauth',
    ]) {
      test(`accepts an identity if Host is ${host} with the listener's port`, async () => {
        assert.deepEqual(await ask(gateway, `${host}:${port}`, ...lines), [200, undefined])
      })
    }

    for (const host of [
      'kibana.example.com',
      'kibana.example.com:443',
      `kibana.example.com:${port === 5601 ? 1 : 5601}`,
    ]) {
      test(`accepts an identity if Host is ${host.replace(/:\d+$/, " with a proxy's port")}`, async () => {
        assert.deepEqual(await ask(gateway, host, ...lines), [200, undefined])
      })
    }
  })
}

test('logs that a request may come from a web page by DNS rebinding, and that proxy_secret prevents it', async () => {
  await ask(forwardAuth, `evil.test:${portOf(forwardAuth)}`, 'Remote-User: bob')
  const line = await forwardAuth.logged((entry) => entry['error.code'] === 'peer_untrusted')
  assert.match(line.message!, /DNS rebinding.*proxy_secret/)
})

test('a request without an identity gets identity_missing even if Host looks like DNS rebinding', async () => {
  const host = `evil.test:${portOf(forwardAuth)}`
  assert.deepEqual(await ask(forwardAuth, host), [401, 'identity_missing'])
})

test('if proxy_secret is set, a request that contains the secret is accepted with any Host, and other requests are rejected', async () => {
  const host = `evil.test:${portOf(withSecret)}`
  const secretHeader = `X-Elastauth-Proxy-Secret: ${secret}`
  assert.deepEqual(await ask(withSecret, host, 'Remote-User: bob', secretHeader), [200, undefined])
  assert.deepEqual(await ask(withSecret, host, 'Remote-User: bob'), isRejected)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { openRaw } from '../support/raw-http.ts'
import { startRawUpstream } from '../support/upstream.ts'

const switched =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n'

describe('WebSockets with login sessions', async () => {
  const upstream = await startRawUpstream((socket, head) =>
    socket.write(/upgrade: websocket/i.test(head) ? switched : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  )
  const { startProxy } = await createOidcTestBed()
  const { url, process: gateway, logged } = await startProxy({ 'proxy.elasticsearch_url': upstream.url })
  const { host, port } = new URL(url)
  const agent = createUserAgent()
  await agent.visit(`${url}/app`, 'alice')
  const session = `Cookie: sid=kibana; ${agent.cookies(url)}`

  function open(...headers: string[]) {
    const connection = openRaw(Number(port))
    const upgradeHeaders = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: a2V5',
      'Sec-WebSocket-Version: 13',
    ]
    connection.send(['GET /ws HTTP/1.1', `Host: ${host}`, ...upgradeHeaders, ...headers, '', ''].join('\r\n'))
    return connection
  }

  test('a WebSocket without a session gets 401 in JSON, and is not forwarded', async () => {
    const before = upstream.received()
    const response = await open('Accept: */*', 'Sec-Fetch-Mode: websocket').closed
    assert.match(response, /^HTTP\/1.1 401 [\s\S]*"identity_missing"/)
    assert.doesNotMatch(response, /^location:/im)
    assert.equal(upstream.received(), before)
  })

  test('opens a WebSocket with a session, and does not forward the session cookie', async () => {
    const before = upstream.received().length
    const connection = open(session, `Origin: ${url}`)
    await connection.until(/^HTTP\/1.1 101 /)
    const head = upstream.received().slice(before)
    assert.match(head, /^cookie: sid=kibana\r$/im)
    connection.socket.destroy()
  })

  for (const origin of ['https://evil.example', 'null', 'http://localhost:1', url.replace('127.0.0.1', 'localhost')]) {
    test(`cross-site WebSocket hijacking: a WebSocket with a session and the Origin ${origin} gets 403`, async () => {
      assert.match(await open(session, `Origin: ${origin}`).closed, /^HTTP\/1.1 403 [\s\S]*"cross_site"/)
    })
  }

  test('opens a WebSocket with a session that was created before a configuration reload', async () => {
    gateway.kill('SIGHUP')
    await logged(({ message = '' }) => message.startsWith('configuration reloaded'))
    const connection = open(session, `Origin: ${url}`)
    await connection.until(/^HTTP\/1.1 101 /)
    connection.socket.destroy()
  })
})

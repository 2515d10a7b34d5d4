import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

/** The paths that the upstream received, in order. */
const received: string[] = []
const responses = new Map<string, ServerResponse>()
const write = (path: string, chunk: string) => void responses.get(path)!.write(chunk)
const finish = (path: string) => void responses.get(path)!.end(path)
const upstream = await startUpstream(({ url = '' }, response) => {
  received.push(url)
  responses.set(url, response)
  if (url.startsWith('/now')) response.end(url)
  if (url === '/half') response.writeHead(200, { 'Content-Length': 'half of/half'.length }).write('half of')
})
const gateway = await startProxy(upstream.url)

const head = (path: string, ...more: string[]) =>
  [`PUT ${path} HTTP/1.1`, 'Host: es', 'Remote-User: bob', 'Content-Length: 0', ...more, '', ''].join('\r\n')

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n`

test('forwards pipelined requests one at a time, in order, so that no write overtakes an earlier write', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  connection.send(head('/first') + head('/now/second') + head('/now/third', 'Connection: close'))
  await arrived
  assert.equal((await fetch(`${gateway.url}/now/other`, { headers: { 'Remote-User': 'bob' } })).status, 200)
  assert.deepEqual(received, ['/first', '/now/other'])
  finish('/first')
  const text = await connection.closed
  assert.deepEqual(received.slice(2), ['/now/second', '/now/third'])
  assert.deepEqual(text.match(/\/first|\/now\/(?:second|third)/g), ['/first', '/now/second', '/now/third'])
})

for (const [kind, request] of Object.entries({ 'with Content-Length': head, 'without a body': get })) {
  test(`does not forward pipelined requests ${kind} that are still pending when their client closes the connection, and logs each of them`, async () => {
    received.length = 0
    const connection = openRaw(portOf(gateway))
    const arrived = once(upstream.server, 'request')
    const paths = Array.from({ length: 30 }, (_, i) => `/now/pending/${kind.length}/${i}`)
    connection.send(head('/stuck') + paths.map((path) => request(path)).join(''))
    await arrived
    connection.socket.destroy()
    for (const path of paths) {
      const line = await gateway.logged((one) => one['url.path'] === path)
      assert.equal(line['http.response.status_code'], 499)
    }
    assert.deepEqual(received, ['/stuck'])
    assert.doesNotMatch(gateway.output(), /MaxListeners/)
  })

  test(`does not forward pipelined requests ${kind} if their client ends the connection while they wait`, async () => {
    received.length = 0
    const connection = openRaw(portOf(gateway), { allowHalfOpen: true })
    const arrived = once(upstream.server, 'request')
    const path = `/now/waiting/${kind.length}`
    connection.send(head('/stuck') + request(path))
    await arrived
    connection.socket.end()
    const line = await gateway.logged((one) => one['url.path'] === path)
    assert.equal(line['http.response.status_code'], 499)
    assert.deepEqual(received, ['/stuck'])
  })
}

test('does not forward a request that follows the last request of its connection', async () => {
  received.length = 0
  for (const first of ['GET / HTTP/1.1\r\nRemote-User: bob\r\n\r\n', head('/now/closing', 'Connection: close')]) {
    const connection = openRaw(portOf(gateway))
    connection.send(first + head('/now/following'))
    connection.send(head('/now/following'))
    await connection.closed
  }
  assert.ok(!received.includes('/now/following'))
})

const framedTwice = 'GET / HTTP/1.1\r\nHost: es\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n'

for (const [what, bytes] of [
  ['bytes that are not HTTP', 'garbage\r\n\r\n'],
  ['a request with Content-Length and Transfer-Encoding', framedTwice],
]) {
  test(`rejects ${what} after the response to the previous request, not in the middle of it (response splitting)`, async () => {
    for (const path of ['/half', '/silent']) {
      const connection = openRaw(portOf(gateway))
      const arrived = once(upstream.server, 'request')
      connection.send(head(path))
      await arrived
      if (path === '/half') await connection.until(/half of$/)
      connection.send(bytes!)
      await fetch(`${gateway.url}/now/other`, { headers: { 'Remote-User': 'bob' } }) // the gateway has read the bytes by now
      connection.send(bytes!)
      finish(path)
      const text = await connection.closed
      assert.match(
        text,
        /^HTTP\/1\.1 200 OK\r\n[^{]*(?:half of\/half|\/silent)HTTP\/1\.1 400 Bad Request\r\n[^{]*\{[^{}]*\}\n$/,
      )
    }
  })

  test(`ignores ${what} after a request with Connection: close`, async () => {
    const connection = openRaw(portOf(gateway))
    const arrived = once(upstream.server, 'request')
    connection.send(head('/last', 'Connection: close') + bytes)
    await arrived
    finish('/last')
    assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
  })
}

const connectRequest = 'CONNECT es:443 HTTP/1.1\r\nHost: es\r\n\r\n'

test('a pipelined CONNECT request ends the connection, with the current response and all pending requests', async () => {
  for (const isReset of [false, true]) {
    const [withLength, withoutBody] = [`/now/queued/${isReset}/1`, `/now/queued/${isReset}/2`]
    const connection = openRaw(portOf(gateway))
    connection.send(head('/half') + head(withLength) + get(withoutBody))
    await connection.until(/half of$/)
    connection.send(connectRequest)
    if (isReset) connection.socket.resetAndDestroy()
    assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
    for (const path of [withLength, withoutBody]) {
      const line = await gateway.logged((one) => one['url.path'] === path)
      assert.equal(line['http.response.status_code'], 499)
    }
  }
  assert.equal(gateway.process.exitCode, null)
})

test('aborts the current request if the client closes the connection in the middle of the next request', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  connection.send(`${head('/silent')}GET /par`)
  const [request] = (await arrived) as [IncomingMessage]
  const closed = once(request.on('error', () => {}).socket, 'close')
  connection.socket.end()
  await closed
})

test('sends a rejection after the response to the previous request, however long that takes', async () => {
  const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.timeout': '6s' } })
  const connection = openRaw(portOf(gatewayWithTimeout))
  connection.send(`${head('/half')}POST /anonymous HTTP/1.1\r\nHost: es\r\nContent-Length: 3\r\n\r\nabc`)
  await connection.until(/half of$/)
  for (const chunk of ['/', 'h', 'a', 'l', 'f']) {
    await sleep(1400)
    write('/half', chunk)
  }
  assert.match(await connection.until(/identity_missing.*\n$/s), /half of\/halfHTTP\/1\.1 401 /)
  connection.socket.destroy()
})

test("truncates a response if the request's body turns out to be invalid, and adds no error that would look like the end of the response", async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(
    'PUT /half HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  )
  await connection.until(/half of$/)
  connection.send('zz\r\n')
  assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
})

const upgradeRequest = (path: string, protocol = 'websocket') =>
  [`GET ${path} HTTP/1.1`, 'Host: es', 'Remote-User: bob', 'Connection: Upgrade', `Upgrade: ${protocol}`, '', ''].join(
    '\r\n',
  )

test('forwards a WebSocket request without its upgrade if it is pipelined after a rejected request or a request to an endpoint', async () => {
  for (const [path, status] of [
    ['/anonymous', 401],
    ['/elastauth/health', 200],
  ] as const) {
    const connection = openRaw(portOf(gateway))
    connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\n\r\n${upgradeRequest('/now/upgrade')}`)
    const text = await connection.until(/\/now\/upgrade$/)
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), [`HTTP/1.1 ${status}`, 'HTTP/1.1 200'])
    connection.socket.destroy()
  }
})

test('closes the connection after a request whose upgrade is not forwarded, because Node has lost the first bytes that follow the request', async () => {
  for (const [path, protocol] of [
    ['/now/h2c', 'h2c'],
    ['/elastauth/health', 'websocket'],
  ] as const) {
    received.length = 0
    const connection = openRaw(portOf(gateway))
    const smuggled = head('/now/smuggled')
    connection.send(
      upgradeRequest(path, protocol) + head('/now/lost').replace('Length: 0', `Length: ${smuggled.length}`),
    )
    await connection.until(/^HTTP\/1\.1 200 [\s\S]*Connection: close\r\n/)
    connection.send(smuggled)
    assert.equal((await connection.closed).match(/HTTP\/1\.1 /g)?.length, 1)
    assert.ok(!received.includes('/now/smuggled'))
  }
})

test('forwards a WebSocket request without its upgrade while a previous response is pending, because a tunnel would overtake it', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  const headers = ['Remote-User: bob', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: a2V5']
  connection.send(head('/before'))
  await arrived
  connection.send(['GET /now/upgrade HTTP/1.1', 'Host: es', ...headers, '', ''].join('\r\n'))
  finish('/before')
  const text = await connection.until(/\/now\/upgrade$/)
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
  connection.socket.destroy()
})

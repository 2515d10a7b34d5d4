import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket } from '../support/web-socket.ts'

const upstream = await startRawUpstream()
const gateway = await startProxy(upstream.url)

/** Requests a WebSocket from an upstream that responds with these bytes. @returns everything that was received */
function requestRejected(bytes: string, path = '/'): Promise<string> {
  upstream.respondWith((socket) => socket.write(bytes, 'latin1'))
  return requestWebSocket(gateway, path).closed
}

function logLineOf(path: string, { logged }: Gateway = gateway) {
  return logged((line) => line['url.path'] === path)
}

describe('the response of an upstream that rejects an upgrade', () => {
  test("forwards an upstream's rejection of an upgrade byte for byte, without hop-by-hop headers", async () => {
    const hopByHop = [
      'Connection: keep-alive, X-Hop',
      'Keep-Alive: timeout=5',
      'X-Hop: 1',
      'Proxy-Authenticate: Basic',
      'Upgrade: h2c',
    ]
    const kept = ['X-Odd: \xe9\xff', 'Set-Cookie: a=1', 'set-cookie: b=2', 'Content-Length: 2']
    const text = await requestRejected(
      ['HTTP/1.1 403 Nicht f\xfcr dich', ...hopByHop, ...kept, '', '\xe4!'].join('\r\n'),
    )
    assert.equal(text, ['HTTP/1.1 403 Nicht f\xfcr dich', ...kept, 'Connection: close', '', '\xe4!'].join('\r\n'))
  })

  const headOf = (status: string, ...headers: string[]) => [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n')
  const closing = headOf('403 Forbidden', 'X-A: 1', 'Connection: close', 'Transfer-Encoding: chunked')

  test("forwards an upstream's chunked rejection of an upgrade in chunks, without trailers", async () => {
    const head = headOf('403 Forbidden', 'X-A: 1', 'Transfer-Encoding: chunked', 'Trailer: x-trailer')
    let finish = () => {}
    upstream.respondWith((socket) => {
      socket.write(`${head}5;x=1\r\nhello\r\n`)
      finish = () => void socket.write('1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n')
    })
    const connection = requestWebSocket(gateway, '/')
    await connection.until(/hello\r\n$/) // Node sends chunks that arrive together as one
    finish()
    assert.equal(await connection.closed, `${closing}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`)
  })

  test("forwards an upstream's rejection of an upgrade in chunks if the rejection has no length", async () => {
    upstream.respondWith((socket) => socket.end('HTTP/1.0 403 Forbidden\r\nX-A: 1\r\n\r\nhello'))
    assert.equal(await requestWebSocket(gateway, '/').closed, `${closing}5\r\nhello\r\n0\r\n\r\n`)
  })

  test("forwards the Content-Length: 0 of an upstream's rejection of an upgrade", async () => {
    assert.equal(
      await requestRejected(headOf('403 Forbidden', 'Content-Length: 0')),
      headOf('403 Forbidden', 'Content-Length: 0', 'Connection: close'),
    )
  })

  for (const status of ['204 No Content', '304 Not Modified']) {
    test(`forwards an upstream's ${status} rejection of an upgrade that has no body or framing headers`, async () => {
      assert.equal(await requestRejected(headOf(status, 'X-A: 1')), headOf(status, 'X-A: 1', 'Connection: close'))
    })
  }

  test('responds with 502 if the upstream sends a 101 response without Upgrade', async () => {
    assert.match(await requestRejected(headOf('101 Switching Protocols')), /^HTTP\/1\.1 502 [\s\S]*"upstream_protocol"/)
  })

  test('responds with 502 if the upstream rejects an upgrade with an invalid status code', async () => {
    assert.match(
      await requestRejected(headOf('099 Low', 'Content-Length: 0')),
      /^HTTP\/1\.1 502 [\s\S]*"upstream_protocol"/,
    )
  })

  test("replaces the reason phrase of an upstream's rejection of an upgrade if it has a control character", async () => {
    assert.match(await requestRejected(headOf('403 a\x01b', 'Content-Length: 0')), /^HTTP\/1\.1 403 Forbidden\r\n/)
  })

  test('forwards the final response after a 103 response to an upgrade', async () => {
    assert.match(
      await requestRejected(`${headOf('103 Early Hints')}${headOf('403 No', 'Content-Length: 0')}`),
      /^HTTP\/1\.1 403 No/,
    )
  })

  test("responds with 502 to an upstream's rejection of an upgrade with Transfer-Encoding: gzip", async () => {
    assert.match(await requestRejected(`${headOf('403 No', 'Transfer-Encoding: gzip')}zipped`), /^HTTP\/1\.1 502 /)
  })

  test("forwards all 20 MB of an upstream's rejection of an upgrade", async () => {
    const body = 'x'.repeat(20_000_000)
    const text = await requestRejected(`${headOf('403 Forbidden', `Content-Length: ${body.length}`)}${body}`)
    assert.ok(text.endsWith(`\r\n\r\n${body}`))
  })
})

describe('a truncated response that rejects an upgrade', () => {
  const truncations: [what: string, headers: string, body: string, closeMethod: 'end' | 'resetAndDestroy'][] = [
    ['if the upstream closes before the end of the announced length', 'Content-Length: 10\r\n', 'hello', 'end'],
    [
      'if the upstream resets the connection before the end of the announced length',
      'Content-Length: 10\r\n',
      'hello',
      'resetAndDestroy',
    ],
    ['if the upstream closes before the last chunk', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', 'end'],
    [
      'if the upstream resets the connection before the last chunk',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n',
      'resetAndDestroy',
    ],
    ['if the upstream resets the connection and has announced no length', '', 'hello', 'resetAndDestroy'],
  ]
  for (const [i, [what, headers, body, closeMethod]] of truncations.entries()) {
    test(`truncates the response to an upgrade ${what}, and logs why`, async () => {
      let truncate = () => {}
      upstream.respondWith((socket) => {
        socket.write(`HTTP/1.1 403 Forbidden\r\n${headers}\r\n${body}`)
        truncate = () => void socket[closeMethod]()
      })
      const connection = requestWebSocket(gateway, `/half/${i}`)
      await connection.until(/hello/)
      truncate()
      assert.match(await connection.closed, /^HTTP\/1\.1 403 [\s\S]*hello(?:\r\n)?$/)
      const line = await logLineOf(`/half/${i}`)
      assert.deepEqual([line['http.response.status_code'], line['error.code']], [403, 'upstream_unavailable'])
    })
  }

  test('truncates the response to an upgrade when the upstream sends an invalid chunk', async () => {
    const text = await requestRejected(
      'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno\r\n',
      '/faulty',
    )
    assert.match(text, /^HTTP\/1\.1 403 (?:(?!\r\n0\r\n)[\s\S])*$/)
    assert.equal((await logLineOf('/faulty'))['http.response.status_code'], 403)
  })

  test('truncates the response to an upgrade if the upstream stops sending for proxy.timeout', async () => {
    const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.timeout': '500ms' } })
    upstream.respondWith((socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello'))
    let text: string
    do text = await requestWebSocket(gatewayWithTimeout, '/silent').closed
    while (text.startsWith('HTTP/1.1 504 ')) // on a busy machine, the time may be over before the response has begun
    assert.match(text, /hello$/)
    const line = await gatewayWithTimeout.logged(
      (one) => one['url.path'] === '/silent' && one['http.response.status_code'] !== 504,
    )
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [403, 'upstream_timeout'])
  })

  test('a truncated response to an upgrade does not count as in flight', async () => {
    const requested: string[] = []
    const startNamed = (name: string) =>
      startRawUpstream((socket, head) => {
        if (!head.startsWith('GET / ')) requested.push(name) // not the health checks
        if (head.includes('websocket')) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello')
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    const routes = [{ upstreams: [(await startNamed('one')).url, (await startNamed('other')).url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    await requestWebSocket(proxy, '/rejected').closed
    const [rejecting] = requested.splice(0)
    // A request that still counted as in flight would keep the others away from this upstream.
    for (let i = 0; i < 4; i++) await (await fetch(`${proxy.url}/next`, { headers: { 'Remote-User': 'bob' } })).text()
    assert.equal(requested.filter((name) => name === rejecting).length, 2)
  })
})

describe('a long response that rejects an upgrade', async () => {
  const totalBytes = 150_000_000
  let sentBytes = 0
  let closed = Promise.withResolvers<void>()
  const long = await startRawUpstream(async (socket) => {
    sentBytes = 0
    closed = Promise.withResolvers()
    socket.once('close', () => closed.resolve())
    socket.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${totalBytes}\r\n\r\n`)
    const chunk = Buffer.alloc(50_000)
    for (let sent = 0; sent < totalBytes && !socket.destroyed; sent += chunk.length) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain').catch(() => {}), closed.promise])
      sentBytes = socket.bytesWritten - socket.writableLength
    }
  })

  test('applies back-pressure to the response to an upgrade, and disconnects a client that does not read for client_timeout', async () => {
    const gatewayWithTimeout = await startProxy(long.url, { flags: { 'proxy.client_timeout': '1s' } })
    const connection = requestWebSocket(gatewayWithTimeout, '/unread')
    connection.socket.pause()
    const { message } = await logLineOf('/unread', gatewayWithTimeout)
    assert.match(message!, /499 the client read nothing of the response for 1000 ms/)
    await closed.promise
    assert.ok(sentBytes < totalBytes / 3, `${sentBytes} bytes`)
    connection.socket.destroy()
  })

  test('closes the upstream connection if the client disconnects during the response to a rejected upgrade', async () => {
    const gateway = await startProxy(long.url)
    const connection = requestWebSocket(gateway, '/closed')
    await once(connection.socket, 'data')
    connection.socket.resetAndDestroy()
    await closed.promise
    const line = await logLineOf('/closed', gateway)
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [499, 'client_closed'])
  })

  test('does not time out the response to an upgrade while the client does not read', async () => {
    const gatewayWithTimeout = await startProxy(long.url, { flags: { 'proxy.timeout': '6s' } })
    const connection = requestWebSocket(gatewayWithTimeout, '/late')
    connection.socket.pause()
    await sleep(8000)
    connection.socket.resume()
    let length = 0
    connection.socket.removeAllListeners('data').on('data', (chunk) => {
      length += chunk.length
    })
    await connection.closed
    assert.ok(length > totalBytes)
    assert.equal((await logLineOf('/late', gatewayWithTimeout))['error.code'], undefined)
  })
})

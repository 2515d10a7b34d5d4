import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const upstream = await startRawUpstream((socket) => socket.write(ok))
const gateway = await startProxy(upstream.url)

/** Sends a GET on a new connection. @returns everything that was received until the gateway closes it */
async function get(path: string, to = gateway): Promise<string> {
  const connection = openRaw(portOf(to))
  connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n`)
  return connection.closed
}

const logLineOf = (path: string, of = gateway) => of.logged((line) => line['url.path'] === path)

describe(`closes the client's connection without adding anything if the upstream closes in the middle of a response (response splitting)`, () => {
  const rows: [what: string, bytes: string, received: RegExp][] = [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', /\r\n\r\nhalf$/],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', /4\r\nhalf\r\n$/],
    ['an invalid chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz', /4\r\nhalf\r\n$/],
  ]
  for (const [what, bytes, received] of rows) {
    test(`truncates a response with ${what} if the upstream closes before the response ends`, async () => {
      upstream.respondWith((socket) => socket.end(bytes))
      const path = `/half-${encodeURIComponent(what)}`
      assert.match(await get(path), received)
      const line = await logLineOf(path)
      assert.equal(line['http.response.status_code'], 200)
      assert.match(String(line['error.code']), /^upstream_/)
    })
  }
})

test('truncates a response without a length if the upstream resets the connection', async () => {
  upstream.respondWith((socket) =>
    socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 50)),
  )
  assert.match(await get('/reset'), /4\r\nhalf\r\n$/)
  assert.equal((await logLineOf('/reset'))['error.code'], 'upstream_unavailable')
})

test('resets the connection of an HTTP/1.0 client if its response is truncated, because a normal close would make the response look complete', async () => {
  upstream.respondWith((socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'))
  const connection = openRaw(portOf(gateway))
  const failed = once(connection.socket, 'error')
  connection.send('GET /old HTTP/1.0\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  const [error] = await failed
  assert.equal(error.code, 'ECONNRESET')
})

describe('an invalid reason phrase from an upstream', () => {
  for (const reason of ['N\xe3o', '\xe6\x88\x90\xe5\x8a\x9f', 'a\x01b']) {
    test(`replaces the invalid reason phrase ${JSON.stringify(reason)} with the standard phrase`, async () => {
      upstream.respondWith((socket) => socket.write(`HTTP/1.1 404 ${reason}\r\nContent-Length: 2\r\n\r\nok`, 'latin1'))
      const connection = openRaw(portOf(gateway))
      connection.send('GET /reason HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
      assert.match(await connection.closed, /^HTTP\/1\.1 (?:404 Not Found|502 Bad Gateway)\r\n/)
    })
  }
})

describe('a request whose body is delayed', () => {
  for (const [what, stray] of [
    [
      'does not take unsolicited upstream bytes for the response to a request whose body is delayed',
      (socket: Socket) => socket.write(`${ok}stray`),
    ],
    [
      'does not lose a request whose body is delayed if the upstream closes an idle connection',
      (socket: Socket) => socket.end(),
    ],
  ] as const) {
    test(what, async () => {
      const sockets: Socket[] = []
      upstream.respondWith((socket, head) => {
        sockets.push(socket)
        if (!head.startsWith('POST')) return void socket.write(ok)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine')
      })
      await (await fetch(gateway.url, { headers: bob })).text()
      const connection = openRaw(portOf(gateway))
      connection.send('POST /late HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 3\r\n\r\n')
      await (await fetch(`${gateway.url}/elastauth/health`)).text() // the gateway has read the head by now
      const idle = sockets.at(-1)!
      stray(idle)
      await once(idle, 'close')
      connection.send('abc')
      const { status, body } = await connection.readResponse()
      assert.deepEqual([status, body], [200, 'mine'])
      connection.socket.destroy()
    })
  }
})

test('discards bytes that an upstream sends after its response', async () => {
  upstream.respondWith((socket) => socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld`))
  const connection = openRaw(portOf(gateway))
  connection.send('GET /long HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  await connection.until(/\r\n\r\nok$/)
  upstream.respondWith((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext'))
  connection.send('GET /next HTTP/1.1\r\nHost: es\r\nRemote-User: alice\r\nConnection: close\r\n\r\n')
  const text = await connection.closed
  assert.match(text, /\r\n\r\nnext$/)
  assert.doesNotMatch(text, /world/)
})

describe('an invalid response from an upstream', () => {
  const rows: [what: string, bytes: string][] = [
    ['bytes that are not HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
    ['an unrequested 101 response', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
    ['an unrequested 100 response', `HTTP/1.1 100 Continue\r\n\r\n${ok}`],
    [
      'a response with Content-Length and Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a response with two Content-Length headers',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk',
    ],
    [
      'a response with Transfer-Encoding: gzip',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nzipped',
    ],
    [
      'a response with Transfer-Encoding: gzip, chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n6\r\nzipped\r\n0\r\n\r\n',
    ],
    ['a response with NUL in a header', 'HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok'],
    ['a response with headers that are too long', `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(70_000)}`],
  ]
  for (const [what, bytes] of rows) {
    test(`responds with 502 to ${what} from the upstream`, async () => {
      upstream.respondWith((socket) => socket.write(bytes))
      const response = await fetch(`${gateway.url}/x`, { headers: bob })
      assert.equal(response.status, 502)
      assert.match(String(((await response.json()) as { error: string }).error), /^upstream_(protocol|unavailable)$/)
    })
  }

  test('responds with 502 if the upstream closes the connection without a response', async () => {
    upstream.respondWith((socket) => socket.destroy())
    const response = await fetch(`${gateway.url}/none`, { headers: bob })
    assert.equal(response.status, 502)
    assert.equal((await logLineOf('/none'))['error.code'], 'upstream_unavailable')
  })
})

/** At the same time, because each takes as long as the time limit, which is several times the pauses of a busy machine. */
describe('an upstream or client that stops sending', { concurrency: true }, async () => {
  /** What the upstream does with a request, by its path. */
  const handlers = new Map<string, (socket: Socket) => unknown>()
  const stalling = await startRawUpstream((socket, head) => void handlers.get(head.split(' ')[1]!)?.(socket))
  const gatewayWithTimeout = await startProxy(stalling.url, { flags: { 'proxy.timeout': '6s' } })

  test('responds with 504 if the upstream does not respond within proxy.timeout', async () => {
    const response = await fetch(`${gatewayWithTimeout.url}/silent`, { headers: bob })
    assert.equal(response.status, 504)
    assert.equal((await logLineOf('/silent', gatewayWithTimeout))['error.code'], 'upstream_timeout')
  })

  test(`closes the client's connection if the upstream stops sending in the middle of a response`, async () => {
    handlers.set('/pause', (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
    assert.match(await get('/pause', gatewayWithTimeout), /\r\n\r\nhalf$/)
    assert.equal((await logLineOf('/pause', gatewayWithTimeout))['error.code'], 'upstream_timeout')
  })

  test('responds with 408 if the client stops sending in the middle of its request, and closes the upstream connection', async () => {
    const closed = Promise.withResolvers<void>()
    handlers.set('/slow', (socket) => socket.once('close', () => closed.resolve()))
    const connection = openRaw(portOf(gatewayWithTimeout))
    connection.send('POST /slow HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 10\r\n\r\nhalf')
    await connection.until(/^HTTP\/1.1 408 /)
    await closed.promise
    connection.socket.destroy()
  })

  test('forwards a response with many pauses that are shorter than proxy.timeout', async () => {
    handlers.set('/steady', async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n')
      for (const byte of 'steady') {
        await new Promise((resolve) => setTimeout(resolve, 1200))
        socket.write(byte)
      }
    })
    assert.equal(await (await fetch(`${gatewayWithTimeout.url}/steady`, { headers: bob })).text(), 'steady')
  })
})

describe('closes the upstream connection of a client that disconnects, and keeps other connections open', () => {
  async function checkDisconnect(
    path: string,
    act: (socket: Socket, closed: Promise<void>) => Promise<void>,
  ): Promise<void> {
    const started = Promise.withResolvers<Socket>()
    const closed = Promise.withResolvers<void>()
    upstream.respondWith((socket) => {
      socket.once('close', () => closed.resolve())
      started.resolve(socket)
    })
    await act(await start(path, started.promise), closed.promise)
    await closed.promise
    assert.equal((await logLineOf(path))['http.response.status_code'], 499)
    assert.equal((await logLineOf(path))['error.code'], 'client_closed')
    upstream.respondWith((socket) => socket.write(ok))
    for (let i = 0; i < 100; i++) assert.equal(await (await fetch(gateway.url, { headers: bob })).text(), 'ok')
  }
  let client: ReturnType<typeof request>
  async function start(path: string, started: Promise<Socket>): Promise<Socket> {
    client = request(gateway.url + path, { method: path === '/up' ? 'POST' : 'GET', headers: bob })
    client.on('error', () => {})
    if (path === '/up') client.write('half')
    else client.end()
    return started
  }

  test('closes the upstream connection if the client disconnects while it waits for a response', () =>
    checkDisconnect('/wait', async () => void client.destroy()))

  test('closes the upstream connection if the client disconnects in the middle of its request', () =>
    checkDisconnect('/up', async () => void client.destroy()))

  test('closes the upstream connection if the client disconnects in the middle of a response', () =>
    checkDisconnect('/down', async (socket) => {
      const responded = once(client, 'response')
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
      const [message] = (await responded) as [IncomingMessage]
      message.on('error', () => {})
      await once(message, 'data')
      client.destroy()
    }))
})

test("forwards an early response to a client that is still sending, and keeps the client's connection usable", async () => {
  upstream.respondWith((socket) => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'))
  const connection = openRaw(portOf(gateway))
  connection.send('POST /early HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 8\r\n\r\nhalf')
  await connection.until(/^HTTP\/1.1 413 [\s\S]*no$/)
  upstream.respondWith((socket) => socket.write(ok))
  connection.send('moreGET /again HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
  assert.match(await connection.closed, / 200 OK[\s\S]*ok$/)
})

test('responds with 502 if the upstream fails in the middle of an upload', async () => {
  upstream.respondWith((socket) => socket.destroy())
  const upload = request(`${gateway.url}/broken`, { method: 'POST', headers: bob })
  upload.write('half')
  const [message] = (await once(upload, 'response')) as [IncomingMessage]
  assert.equal(message.statusCode, 502)
  upload.destroy()
  message.destroy()
})

test('forwards a 429 response with its Retry-After header unchanged', async () => {
  upstream.respondWith((socket) => socket.write('HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n'))
  const response = await fetch(gateway.url, { headers: bob })
  assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '7'])
})

test('does not reuse a connection that the upstream has closed', async () => {
  upstream.respondWith((socket) => {
    socket.write(ok)
    socket.end()
  })
  for (let i = 0; i < 20; i++) assert.equal((await fetch(gateway.url, { headers: bob })).status, 200)
})

test('discards the body of a request to an unreachable upstream, and serves the next request on the same connection', async () => {
  const nowhere = await startProxy('http://127.0.0.1:9')
  const connection = openRaw(portOf(nowhere))
  const body = 'x'.repeat(4 * 1024 * 1024)
  connection.send(`POST / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: ${body.length}\r\n\r\n`)
  await (await fetch(`${nowhere.url}/elastauth/health`)).text() // the gateway has read the head by now
  connection.send(body)
  await connection.until(/^HTTP\/1\.1 502 /)
  connection.send('GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n')
  await connection.until(/HTTP\/1\.1 200 OK/)
  connection.socket.destroy()
})

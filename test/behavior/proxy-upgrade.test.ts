import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream, userOf } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'

const upstream = await startRawUpstream((socket) => {
  socket.write(switchingProtocols)
  socket.on('data', (chunk) => socket.write(`echo ${chunk}`))
})
const gateway = await startProxy(upstream.url)
const nowhere = await startProxy('http://127.0.0.1:9')
const open = (path: string, headers?: string[], to = gateway) => requestWebSocket(to, path, headers)

describe('a WebSocket', () => {
  test(`opens a tunnel for a WebSocket, with the user's credential and the path and headers of the client`, async () => {
    const before = upstream.received().length
    const headers = [
      'Remote-User: bob',
      'Authorization: Basic ZWxhc3RpYzp4',
      'Cookie: sid=1; __Host-elastauth=s',
      'X-A: 1',
      'X-A: 2',
    ]
    const connection = open('/ws//a%2Fb/..?x=%20&', [...headers, 'es-security-runas-user: elastic'])
    await connection.until(/^HTTP\/1.1 101 [\s\S]*\r\n\r\n$/)
    connection.send('hello')
    await connection.until(/echo hello$/)
    const head = upstream.received().slice(before)
    assert.match(head, /^GET \/ws\/\/a%2Fb\/\.\.\?x=%20& HTTP\/1.1\r\n/)
    assert.equal(userOf(/^authorization: (.*)$/im.exec(head)?.[1]), 'bob')
    assert.equal(head.match(/^authorization:/gim)?.length, 1)
    assert.match(head, /^cookie: sid=1\r$/im)
    assert.match(head, /^sec-websocket-key: a2V5\r$/im)
    assert.deepEqual(head.match(/^x-a: .*$/gim), ['x-a: 1', 'x-a: 2'])
    assert.doesNotMatch(head, /runas|remote-user|elastauth/i)
    connection.socket.destroy()
    const line = await gateway.logged((one) => one['url.path'] === '/ws//a%2Fb/..')
    assert.deepEqual([line['http.response.status_code'], line['user.name']], [101, 'bob'])
  })

  test('forwards the headers of a WebSocket, even those with names of JavaScript properties', async () => {
    const before = upstream.received().length
    const connection = open('/names', ['Remote-User: bob', 'constructor: v1', 'toString: v2', 'valueOf: v3'])
    await connection.until(/^HTTP\/1.1 101 [\s\S]*\r\n\r\n$/)
    const head = upstream.received().slice(before)
    assert.deepEqual(head.match(/^(?:constructor|tostring|valueof): .*$/gim), [
      'constructor: v1',
      'tostring: v2',
      'valueof: v3',
    ])
    connection.socket.destroy()
  })

  test('rejects a WebSocket without an identity with 401, without a request to the upstream', async () => {
    const before = upstream.received()
    assert.match(await open('/', []).closed, /^HTTP\/1.1 401 [\s\S]*"identity_missing"/)
    assert.equal(upstream.received(), before)
  })

  test('forwards the response of an upstream that rejects a WebSocket', async () => {
    upstream.respondWith((socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'))
    assert.match(await open('/rejected').closed, /^HTTP\/1.1 403 Forbidden[\s\S]*no$/)
    assert.equal((await gateway.logged((one) => one['url.path'] === '/rejected'))['http.response.status_code'], 403)
  })

  test('responds with 502 to a WebSocket if the upstream is unreachable', async () => {
    assert.match(await open('/', undefined, nowhere).closed, /^HTTP\/1.1 502 [\s\S]*"upstream_unavailable"/)
  })

  test('closes a WebSocket if the upstream closes it', async () => {
    upstream.respondWith((socket) => socket.end(switchingProtocols))
    assert.match(await open('/').closed, /^HTTP\/1.1 101 /)
  })

  test('a WebSocket that the upstream has closed ends when the client closes it, even if the client has sent more data', async () => {
    const closed = Promise.withResolvers<void>()
    upstream.respondWith((socket) => {
      socket.write(switchingProtocols)
      socket.on('data', () => socket.end()).once('close', () => closed.resolve())
    })
    const connection = requestWebSocket(gateway, '/last-words', undefined, { allowHalfOpen: true })
    await connection.until(/101 /)
    connection.send('end')
    await once(connection.socket, 'end')
    await closed.promise
    connection.send('x')
    connection.socket.end()
    assert.equal((await gateway.logged((one) => one['url.path'] === '/last-words'))['http.response.status_code'], 101)
  })

  test('closes the upstream connection of a WebSocket if the client disconnects, before and after the upgrade', async () => {
    for (const reply of ['', switchingProtocols]) {
      const started = Promise.withResolvers<void>()
      const closed = Promise.withResolvers<void>()
      upstream.respondWith((socket) => {
        socket.write(reply)
        socket.once('close', () => closed.resolve())
        started.resolve()
      })
      const connection = open('/')
      await started.promise
      if (reply) await connection.until(/101 /)
      connection.socket.destroy()
      await closed.promise
    }
  })

  test('treats a WebSocket request to an endpoint of elastauth as an ordinary request', async () => {
    const connection = open('/elastauth/health')
    await connection.until(/^HTTP\/1.1 200 OK[\s\S]*"ok"/)
    connection.socket.destroy()
  })
})

for (const [protocol, version] of [
  ['h2c', '1.1'],
  ['TLS/1.0', '1.1'],
  ['websocket, h2c', '1.1'],
  ['websocket', '1.0'],
]) {
  test(`forwards an HTTP/${version} request for an upgrade to ${protocol} as a request without an upgrade`, async () => {
    upstream.respondWith((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    const before = upstream.received().length
    const connection = openRaw(portOf(gateway))
    const headers = ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`, 'HTTP2-Settings: AAMAAABkAAQAAP__']
    connection.send([`GET / HTTP/${version}`, 'Host: es', 'Remote-User: bob', ...headers, '', ''].join('\r\n'))
    await connection.until(/^HTTP\/1.1 200 OK[\s\S]*ok$/)
    assert.doesNotMatch(upstream.received().slice(before), /upgrade|http2/i)
    connection.socket.destroy()
  })
}

test('after SIGTERM, closes tunnels and idle connections at once, completes a response, and exits with 0 (graceful shutdown)', async () => {
  const streams: Socket[] = []
  upstream.respondWith((socket, head) => {
    if (head.includes('websocket')) socket.write(switchingProtocols)
    else if (head.startsWith('GET /stream')) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
      streams.push(socket)
    } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const stopping = await startProxy(upstream.url)
  const tunnels = Array.from({ length: 20 }, () => open('/', undefined, stopping))
  await Promise.all(tunnels.map((tunnel) => tunnel.until(/101 /)))
  const idle = openRaw(portOf(stopping))
  idle.send('GET /idle HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  await idle.until(/ok$/)
  const outgoing = get(`${stopping.url}/stream`, { headers: { 'Remote-User': 'bob' } })
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  message.on('data', (chunk) => {
    text += chunk
  })
  await once(message, 'data')

  const stopped = stopping.stop()
  await Promise.all([...tunnels.map(({ closed }) => closed), idle.closed])
  assert.equal(stopping.process.exitCode, null)
  streams[0]!.write('half')
  await once(message, 'end')
  assert.equal(text, 'halfhalf')
  assert.equal(await stopped, 0)
})

test('an upgrade gets 504 after proxy.timeout even if the upstream sends informational responses in the meantime', async () => {
  const hinting = await startRawUpstream((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 50)
    socket.on('error', () => {}).on('close', () => clearInterval(timer))
  })
  const impatient = await startProxy(hinting.url, { flags: { 'proxy.timeout': '500ms' } })
  assert.match(await open('/', undefined, impatient).closed, /^HTTP\/1.1 504 [\s\S]*"upstream_timeout"/)
})

test('after shutdown_timeout, closes the connections of a response that has not ended', async () => {
  const closed = Promise.withResolvers<void>()
  upstream.respondWith((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf')
    socket.once('close', () => closed.resolve())
  })
  const stopping = await startProxy(upstream.url, { flags: { shutdown_timeout: '200ms' } })
  const connection = openRaw(portOf(stopping))
  connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  await connection.until(/half$/)
  assert.equal(await stopping.stop(), 0)
  assert.match(await connection.closed, /half$/)
  await closed.promise
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { after, mock, test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { Upstream } from '../../../../src/proxy/routing/upstreams.ts'
import { createTunnels } from '../../../../src/proxy/websocket/upgrade.ts'
import { UpgradeResponse } from '../../../../src/server/http1/upgrade-response.ts'
import { contextOf } from '../../../support/request-context.ts'
import { switchingProtocols } from '../../../support/web-socket.ts'

// Once for all tests, because a timer may be cleared when the next test has begun.
mock.timers.enable({ apis: ['setTimeout'] })

const gateway = createServer()
const upstreamServer = createTcpServer()
for (const server of [gateway, upstreamServer]) server.listen(0, '127.0.0.1')
await Promise.all([once(gateway, 'listening'), once(upstreamServer, 'listening')])
after(() => {
  gateway.close()
  upstreamServer.close()
})

const portOf = (server: TcpServer) => (server.address() as AddressInfo).port

/** Requests an upgrade of the gateway, which does not respond yet. */
async function requestUpgrade(firstBytes = '', allowHalfOpen = false) {
  const upgrade = once(gateway, 'upgrade')
  const client = connect({ port: portOf(gateway), host: '127.0.0.1', allowHalfOpen })
  const head = 'GET /a HTTP/1.1\r\nHost: a\r\nX-Client: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  client.write(head + firstBytes)
  const [request, socket, bytes] = await upgrade
  return { client, response: new UpgradeResponse(request, socket as Socket, bytes as Buffer) }
}

/** Requests an upgrade and forwards it to the upstream, which does not respond yet. */
async function openTunnel(firstBytes = '', allowHalfOpen = false) {
  const inFlight = { count: 0 }
  const url = new URL(`http://127.0.0.1:${portOf(upstreamServer)}/base/`)
  const trackRequest = () => {
    inFlight.count++
    return () => void inFlight.count--
  }
  const upstream = { url, trackRequest, tls: () => undefined } as Partial<Upstream> as Upstream
  const target = {
    context: contextOf(),
    upstream,
    path: '/a//../b',
    headers: ['X-Own', '1'],
    buildResponseHeaders: () => ['X-Built', '1'],
  }
  const tunnels = createTunnels({ timeoutMs: 60_000, clientTimeoutMs: 30_000 })
  const { client, response } = await requestUpgrade(firstBytes, allowHalfOpen)
  const accepted = once(upstreamServer, 'connection')
  const ended = tunnels.open(response, target)
  ended.catch(() => {})
  const [upstreamSocket] = (await accepted) as [Socket]
  return { tunnels, target, client, response, ended, inFlight, upstreamSocket }
}

test('opens a tunnel with the given path and headers, passes on the first bytes of the client, and resolves when the tunnel closes', async () => {
  const { client, response, ended, inFlight, upstreamSocket } = await openTunnel('first')
  let received = ''
  upstreamSocket.on('data', (chunk) => {
    received += chunk
  })
  while (!received.endsWith('\r\n\r\n')) await once(upstreamSocket, 'data')
  assert.match(received, /^GET \/base\/a\/\/\.\.\/b HTTP\/1\.1\r\n/)
  assert.match(received, /^x-own: 1\r$/m)
  assert.doesNotMatch(received, /x-client/i)
  upstreamSocket.write(switchingProtocols)
  const [head] = await once(client, 'data')
  assert.match(String(head), /^HTTP\/1\.1 101 [\s\S]*^x-built: 1\r$/m)
  while (!received.endsWith('\r\n\r\nfirst')) await once(upstreamSocket, 'data')
  assert.equal(inFlight.count, 1)
  client.destroy()
  await ended
  assert.deepEqual([response.statusCode, response.headersSent, inFlight.count], [101, false, 0])
})

test('a shutdown cancels the request of a tunnel that is not open yet, and the client can still get an error response', async () => {
  const { tunnels, client, response, ended, upstreamSocket } = await openTunnel()
  const closed = once(upstreamSocket.resume(), 'close')
  tunnels.close()
  await assert.rejects(ended, { code: 'stopping' })
  await closed
  assert.deepEqual([response.destroyed, response.headersSent], [false, false])
  client.destroy()
  response.destroy()
})

test('an upgrade is rejected with client_closed if the client disconnects before the upstream has responded', async () => {
  const { client, ended, inFlight, upstreamSocket } = await openTunnel()
  const closed = once(upstreamSocket.resume(), 'close')
  client.destroy()
  await assert.rejects(ended, { code: 'client_closed' })
  await closed
  assert.equal(inFlight.count, 0)
})

test('an open tunnel closes at a shutdown, and no further tunnel opens', async () => {
  const { tunnels, target, client, response, ended, upstreamSocket } = await openTunnel()
  upstreamSocket.resume().write(switchingProtocols)
  await once(client, 'data')
  tunnels.close()
  await ended
  assert.ok(response.destroyed)
  const late = await requestUpgrade()
  await assert.rejects(tunnels.open(late.response, target), { code: 'stopping' })
  for (const socket of [client, late.client]) socket.destroy()
  late.response.destroy()
})

/** Opens a tunnel whose client and upstream do not close their sides when the other one closes, and reads its head. */
async function openHalfOpenTunnel() {
  const tunnel = await openTunnel('', true)
  tunnel.upstreamSocket.allowHalfOpen = true
  tunnel.upstreamSocket.resume().write(switchingProtocols)
  await once(tunnel.client, 'data')
  return tunnel
}

/** Lets pending work continue, and time pass, until the promise resolves or rejects, or the test is aborted. */
async function tickUntil(promise: Promise<void>, tick: () => void, signal: AbortSignal): Promise<void> {
  let isOver = false
  const end = () => {
    isOver = true
  }
  promise.then(end, end)
  while (!isOver && !signal.aborted) {
    await yieldToLoop()
    tick()
  }
  assert.ok(isOver)
  await promise
}

test('a tunnel that the upstream has closed ends after the linger time if the client does not close its connection', async () => {
  const { client, response, ended, inFlight, upstreamSocket } = await openHalfOpenTunnel()
  const finished = once(response.socket!, 'finish')
  upstreamSocket.end('last')
  const [data] = await once(client, 'data')
  assert.equal(String(data), 'last')
  await finished
  mock.timers.tick(999)
  assert.equal(response.socket!.destroyed, false)
  mock.timers.tick(1)
  await ended
  assert.deepEqual([response.statusCode, inFlight.count], [101, 0])
  client.destroy()
})

test('a client that reads nothing of what the upstream has sent before it closed is disconnected after the client timeout', async ({
  signal,
}) => {
  const { client, ended, inFlight, upstreamSocket } = await openHalfOpenTunnel()
  upstreamSocket.on('error', () => {})
  client.pause()
  upstreamSocket.end(Buffer.alloc(32 * 1024 * 1024)) // more than the buffers of the sockets hold
  await tickUntil(ended, () => mock.timers.tick(30_000), signal)
  assert.equal(inFlight.count, 0)
  for (const socket of [client, upstreamSocket]) socket.destroy()
})

test('a client that reads gets everything that the upstream has sent before it closed', async () => {
  const { client, ended, upstreamSocket } = await openHalfOpenTunnel()
  let length = 0
  client.on('data', (chunk) => {
    length += chunk.length
  })
  upstreamSocket.end(Buffer.alloc(8 * 1024 * 1024))
  await once(client, 'end')
  assert.equal(length, 8 * 1024 * 1024)
  client.end()
  await ended
})

test('a tunnel that the client has ended closes when the upstream has sent nothing for the upstream timeout', async () => {
  const { client, response, ended, inFlight, upstreamSocket } = await openHalfOpenTunnel()
  const socket = response.socket!
  client.end()
  await once(upstreamSocket, 'end')
  for (const text of ['a', 'b']) {
    mock.timers.tick(59_999)
    upstreamSocket.write(text)
    const [data] = await once(client, 'data')
    assert.equal(String(data), text)
  }
  mock.timers.tick(59_999)
  await yieldToLoop()
  assert.equal(socket.destroyed, false)
  mock.timers.tick(1)
  await ended
  assert.equal(inFlight.count, 0)
  upstreamSocket.destroy()
})

test('the connection to an upstream that does not close is closed after the upstream timeout when the client has disconnected', async ({
  signal,
}) => {
  const { client, ended, upstreamSocket } = await openHalfOpenTunnel()
  upstreamSocket.on('error', () => {})
  client.resetAndDestroy()
  await Promise.all([ended, once(upstreamSocket, 'end')])
  mock.timers.tick(60_000)
  // Writing fails only if elastauth has closed both directions.
  while (!upstreamSocket.destroyed && !signal.aborted) {
    upstreamSocket.write('x')
    await yieldToLoop()
  }
  assert.ok(upstreamSocket.destroyed)
})

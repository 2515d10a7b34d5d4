import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import {
  type Frame,
  frameTypes,
  openFrames,
  requestFields,
  requestFrame,
  responseOutcome,
} from '../support/http2-frames.ts'
import { openRaw } from '../support/raw-http.ts'
import { caFile, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { curlStatus } from './curl.ts'

const nodeArguments = ['--max-old-space-size=96']
const megabyte = 1024 * 1024
const earlyHints = `HTTP/1.1 103 Early Hints\r\nLink: <${'x'.repeat(32 * 1024)}>\r\n\r\n`
/** Together they exceed the gateway's heap and the sockets' buffers. */
const earlyHintsCount = 6000

let hintsSent = Promise.withResolvers<void>()
let tunnel = Promise.withResolvers<Socket>()
const upstream = await startRawUpstream(async (socket, head) => {
  if (head.includes('/hints')) {
    const closed = once(socket, 'close').catch(() => {})
    for (let i = 0; i < earlyHintsCount && !socket.destroyed; i++) {
      if (!socket.write(earlyHints)) await Promise.race([once(socket, 'drain'), closed])
    }
    hintsSent.resolve()
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast')
  } else if (head.includes('/tunnel')) {
    socket.pause()
    socket.write(switchingProtocols)
    tunnel.resolve(socket)
  } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
})

async function sendRequest({ url }: Gateway): Promise<void> {
  assert.equal(await curlStatus('--cacert', caFile, '-H', 'Remote-User: eve', `${url}/`), '200')
}

/** Writes until the peer has read nothing for the duration of five other requests. @returns the number of bytes that left the process */
async function writeUntilStalled(socket: Socket, gateway: Gateway, maxBytes: number): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  let stalledRounds = 0
  while (socket.bytesWritten < maxBytes && stalledRounds < 5) {
    const before = socket.bytesWritten - socket.writableLength
    while (socket.writableLength < megabyte) socket.write(chunk)
    await sendRequest(gateway)
    stalledRounds = socket.bytesWritten - socket.writableLength === before ? stalledRounds + 1 : 0
  }
  return socket.bytesWritten - socket.writableLength
}

describe('interim responses to a client that does not read are dropped', () => {
  test('drops interim responses to an HTTP/1.1 client that does not read, and the final response arrives complete', async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments })
    hintsSent = Promise.withResolvers()
    const connection = openRaw(portOf(gateway))
    connection.socket.pause()
    connection.send('GET /hints HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    await hintsSent.promise
    await sendRequest(gateway)
    connection.socket.resume()
    const text = await connection.closed
    assert.match(text, /HTTP\/1\.1 200 OK\r\n[\s\S]*last$/)
    assert.equal(gateway.process.exitCode, null)
  })

  test('drops interim responses to an HTTP/2 client that does not read, and the final response arrives', async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments, flags: tlsFlags() })
    hintsSent = Promise.withResolvers()
    const connection = await openFrames(portOf(gateway))
    connection.pause()
    await connection.send(requestFrame(1, requestFields({ ':path': '/hints' }, ['remote-user', 'bob'])))
    await hintsSent.promise
    await sendRequest(gateway)
    connection.resume()
    const isFinal = ({ type, payload }: Frame) => type === frameTypes.data && payload.toString() === 'last'
    await connection.until(isFinal)
    assert.match(await responseOutcome(connection, 1), /^(?:103|200)$/)
    connection.destroy()
    assert.equal(gateway.process.exitCode, null)
  })
})

describe('a tunnel to a peer that does not read', () => {
  for (const side of ['client', 'upstream'] as const) {
    test(`a tunnel buffers no more than the sockets do when the ${side} stalls (back-pressure), and closes with the gateway`, async () => {
      const gateway = await startProxy(upstream.url, { nodeArguments })
      tunnel = Promise.withResolvers()
      const connection = requestWebSocket(gateway, '/tunnel')
      await connection.until(/^HTTP\/1\.1 101 /)
      const upstreamSocket = await tunnel.promise
      connection.socket.pause()
      const writer = side === 'client' ? upstreamSocket : connection.socket
      const written = await writeUntilStalled(writer, gateway, 256 * megabyte)
      assert.ok(written < 64 * megabyte, `${Math.round(written / megabyte)} MB were written`)
      assert.equal(await gateway.stop(), 0)
      upstreamSocket.destroy()
      connection.socket.destroy()
    })
  }
})

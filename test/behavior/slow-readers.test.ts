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
const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${'x'.repeat(32 * 1024)}>\r\n\r\n`
/** More than the gateway's heap plus the sockets' buffers. */
const hints = 6000

let hintsTaken = Promise.withResolvers<void>()
let tunnel = Promise.withResolvers<Socket>()
const upstream = await startRawUpstream(async (socket, head) => {
  if (head.includes('/hints')) {
    for (let i = 0; i < hints && !socket.destroyed; i++) {
      if (!socket.write(hint)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
    hintsTaken.resolve()
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast')
  } else if (head.includes('/tunnel')) {
    socket.pause()
    socket.write(switchingProtocols)
    tunnel.resolve(socket)
  } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
})

async function ask({ url }: Gateway): Promise<void> {
  assert.equal(await curlStatus('--cacert', caFile, '-H', 'Remote-User: eve', `${url}/`), '200')
}

/** Writes until the other side has not read for as long as some other requests take. @returns the number of bytes written */
async function writeUntilStuck(socket: Socket, gateway: Gateway, most: number): Promise<number> {
  const piece = Buffer.alloc(64 * 1024, 'x')
  let quietRounds = 0
  while (socket.bytesWritten < most && quietRounds < 5) {
    const before = socket.bytesWritten - socket.writableLength
    while (socket.writableLength < megabyte) socket.write(piece)
    await ask(gateway)
    quietRounds = socket.bytesWritten - socket.writableLength === before ? quietRounds + 1 : 0
  }
  return socket.bytesWritten - socket.writableLength
}

describe('endless interim responses to a client that does not read are dropped:', () => {
  test('HTTP/1.1, and the final response arrives whole', { timeout: 120_000 }, async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments })
    hintsTaken = Promise.withResolvers()
    const connection = openRaw(portOf(gateway))
    connection.socket.pause()
    connection.send('GET /hints HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    await hintsTaken.promise
    await ask(gateway)
    connection.socket.resume()
    const text = await connection.closed
    assert.match(text, /HTTP\/1\.1 200 OK\r\n[\s\S]*last$/)
    assert.equal(gateway.process.exitCode, null)
  })

  test('HTTP/2, and the final response arrives', { timeout: 120_000 }, async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments, flags: tlsFlags() })
    hintsTaken = Promise.withResolvers()
    const connection = await openFrames(portOf(gateway))
    connection.pause()
    await connection.send(requestFrame(1, requestFields({ ':path': '/hints' }, ['remote-user', 'bob'])))
    await hintsTaken.promise
    await ask(gateway)
    connection.resume()
    const isFinal = ({ type, payload }: Frame) => type === frameTypes.data && payload.toString() === 'last'
    await connection.until(isFinal)
    assert.match(await responseOutcome(connection, 1), /^(?:103|200)$/)
    connection.destroy()
    assert.equal(gateway.process.exitCode, null)
  })
})

describe('a tunnel with a side that reads nothing', () => {
  for (const side of ['client', 'upstream'] as const) {
    test(`holds no more than the sockets' buffers when the ${side} stalls, and ends with the gateway`, {
      timeout: 120_000,
    }, async () => {
      const gateway = await startProxy(upstream.url, { nodeArguments })
      tunnel = Promise.withResolvers()
      const connection = requestWebSocket(gateway, '/tunnel')
      await connection.until(/^HTTP\/1\.1 101 /)
      const far = await tunnel.promise
      connection.socket.pause()
      const writer = side === 'client' ? far : connection.socket
      const taken = await writeUntilStuck(writer, gateway, 256 * megabyte)
      assert.ok(taken < 64 * megabyte, `${Math.round(taken / megabyte)} MB were taken`)
      assert.equal(await gateway.stop(), 0)
      far.destroy()
      connection.socket.destroy()
    })
  }
})

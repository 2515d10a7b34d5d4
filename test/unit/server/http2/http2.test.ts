import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { defaultRequestTimeouts } from '../../../../src/server/listen/limits.ts'
import type { ListenerHandle, ListenerHandlers } from '../../../../src/server/listen/listener.ts'
import { createTlsListener } from '../../../../src/server/listen/tls.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'
import {
  type FrameConnection,
  frame,
  frameTypes,
  openFrames,
  requestFields,
  requestFrame,
  uint32,
} from '../../../support/http2-frames.ts'

const certificate = createCertificateAuthority().issue('listener')
const handlers: Omit<ListenerHandlers, 'onRequest'> = {
  isUpgrade: () => false,
  renderInvalid: () => assert.fail(),
  onTlsFailure: () => {},
}

let respond: (response: ServerResponse, onAuthenticated: () => void) => void
let listener: ListenerHandle
let session: ClientHttp2Session
/** The weights that connections have got, in order. */
let weights: number[]
let hasRoom: boolean

async function listen(t: TestContext): Promise<number> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  listener = createTlsListener({
    handlers: { ...handlers, onRequest: (_, response, _fault, onAuthenticated) => respond(response, onAuthenticated!) },
    timeouts: defaultRequestTimeouts,
    tls: { ...certificate, clientCa: undefined, clientAuth: 'none' },
    setWeight: (_, weight) => weights.push(weight) > 0 && (hasRoom || weight === 2),
  })
  listener.server.listen(0, '127.0.0.1')
  await once(listener.server, 'listening')
  return (listener.server.address() as AddressInfo).port
}

async function openListener(t: TestContext): Promise<void> {
  const port = await listen(t)
  session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, settings: { initialWindowSize: 0 } })
  session.on('error', () => {})
  await once(session, 'remoteSettings')
}

beforeEach(() => {
  respond = (response) => response.end()
  weights = []
  hasRoom = true
})

afterEach(async () => {
  session.destroy()
  listener.destroyConnections()
  listener.server.close()
  await once(listener.server, 'close')
  await waitTurns() // so that no timer of this test is cleared in the next one, with other mock timers
})

/** A round trip, and some turns of the event loop for the server to process what it has received. */
async function ping(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  session.ping(() => resolve())
  await promise
  await waitTurns()
}

async function waitTurns(): Promise<void> {
  for (let i = 0; i < 10; i++) await nextTurn()
}

describe('an HTTP/2 connection is closed', () => {
  test('an HTTP/2 connection is closed 20 s after its start without a request, even with a PING', async (t) => {
    await openListener(t)
    t.mock.timers.tick(19_999)
    await ping()
    const closed = once(session, 'close')
    t.mock.timers.tick(1)
    await closed
  })

  test('an HTTP/2 connection is closed 125 s after its last response, and not earlier', async (t) => {
    await openListener(t)
    const stream = session.request({ ':path': '/' }).resume()
    await once(stream, 'close')
    await ping()
    t.mock.timers.tick(124_999)
    await ping()
    assert.equal(session.closed, false)
    const closed = once(session, 'close')
    t.mock.timers.tick(1)
    await closed
  })

  test('an HTTP/2 connection stays open while a response is pending', async (t) => {
    const { promise: requested, resolve } = Promise.withResolvers<ServerResponse>()
    respond = resolve
    await openListener(t)
    const stream = session.request({ ':path': '/' })
    const response = await requested
    t.mock.timers.tick(1_000_000)
    response.end()
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
  })
})

describe('an HTTP/2 client that keeps its window closed', () => {
  for (const [when, write] of [
    ['in the middle of a response', (response: ServerResponse) => void response.write('x'.repeat(100_000))],
    ['at the end of a response', (response: ServerResponse) => void response.end('x')],
  ] as const) {
    test(`an HTTP/2 client that keeps its window closed ${when} gets a stream reset after 120 s, and keeps its connection`, async (t) => {
      respond = write
      await openListener(t)
      const stream = session.request({ ':path': '/' })
      const { promise: reset, resolve } = Promise.withResolvers<void>()
      stream.on('error', () => resolve())
      await once(stream, 'response')
      await ping()
      t.mock.timers.tick(119_999)
      await ping()
      assert.equal(stream.closed, false)
      t.mock.timers.tick(1)
      await reset
      assert.notEqual(stream.rstCode, 0)
      await ping()
    })
  }
})

describe('the limits of an authenticated user', () => {
  let connection: FrameConnection
  let requested: Promise<{ response: ServerResponse; onAuthenticated: () => void }>

  /** Opens a connection that acknowledges no settings on its own, and sends a request. */
  async function request(t: TestContext): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<Awaited<typeof requested>>()
    requested = promise
    respond = (response, onAuthenticated) => resolve({ response, onAuthenticated })
    connection = await openFrames(await listen(t))
    await connection.send(requestFrame(1, requestFields()))
  }

  afterEach(() => connection.destroy())

  /** Sends frames, and waits until the server has processed them. */
  async function send(...frames: Buffer[]): Promise<void> {
    const countPings = () => connection.received.filter(({ type }) => type === frameTypes.ping).length
    const before = countPings()
    await connection.send(...frames, frame('ping', { payload: Buffer.alloc(8) }))
    await connection.until(() => countPings() > before)
    await waitTurns()
  }

  /** Acknowledges one SETTINGS frame. */
  const acknowledge = () => send(frame('settings', { flags: 1 }))

  async function assertLoweredAfterIdleTime(t: TestContext): Promise<void> {
    assert.deepEqual(weights, [2, 16])
    await acknowledge()
    const countSettings = () => connection.received.filter(({ type }) => type === frameTypes.settings).length
    const before = countSettings()
    t.mock.timers.tick(4999)
    await send()
    assert.equal(countSettings(), before)
    t.mock.timers.tick(1)
    await send()
    assert.equal(countSettings(), before + 1)
    await acknowledge()
    assert.deepEqual(weights, [2, 16, 2])
  }

  test('an HTTP/2 connection that is authenticated after its client has reset the stream loses the higher limits 5 s later', async (t) => {
    await request(t)
    await acknowledge()
    const { response, onAuthenticated } = await requested
    const closed = once(response, 'close')
    await send(frame('reset', { stream: 1, payload: uint32(8) }))
    await closed
    onAuthenticated()
    await assertLoweredAfterIdleTime(t)
  })

  test('an HTTP/2 connection that acknowledges the initial limits after its response loses the higher limits 5 s later', async (t) => {
    await request(t)
    const { response, onAuthenticated } = await requested
    onAuthenticated()
    const closed = once(response, 'close')
    response.end()
    await closed
    await send()
    assert.deepEqual(weights, [2])
    await acknowledge()
    await assertLoweredAfterIdleTime(t)
  })

  test('an HTTP/2 connection for which there was no room at the acknowledgment gets the higher limits with a later request', async (t) => {
    hasRoom = false
    await request(t)
    const { response, onAuthenticated } = await requested
    onAuthenticated()
    response.end()
    await acknowledge()
    assert.deepEqual(weights, [2, 16])
    hasRoom = true
    respond = (later, onLaterAuthenticated) => {
      onLaterAuthenticated()
      later.end()
    }
    await send(requestFrame(3, requestFields()))
    assert.deepEqual(weights, [2, 16, 16])
  })

  test('an HTTP/2 connection whose client acknowledges late keeps its weight until the last lowering is acknowledged', async (t) => {
    await request(t)
    await acknowledge()
    const { response, onAuthenticated } = await requested
    onAuthenticated()
    response.end()
    await send()
    t.mock.timers.tick(5000) // lowers the limits
    respond = (later, onLaterAuthenticated) => {
      onLaterAuthenticated()
      later.end()
    }
    await send(requestFrame(3, requestFields())) // raises them again
    t.mock.timers.tick(5000)
    await send()
    for (const what of ['the raise', 'the lowering', 'the raise again']) {
      await acknowledge()
      assert.deepEqual(weights, [2, 16], what)
    }
    await acknowledge()
    assert.deepEqual(weights, [2, 16, 2])
  })
})

test('an HTTP/2 response finishes when it has been sent, even if the request body has not ended', async (t) => {
  const { promise: finished, resolve } = Promise.withResolvers<void>()
  respond = (response) => {
    response.once('close', () => response.writableFinished && resolve())
    response.writeHead(200, 'a reason phrase, which HTTP/2 does not have', ['X-A', '1']).end()
  }
  await openListener(t)
  const stream = session.request({ ':path': '/', ':method': 'POST' })
  stream.on('error', () => {})
  stream.write('half')
  await finished
})

test('an HTTP/2 response closes without finishing when the client closes its session first', async (t) => {
  const { promise: closed, resolve } = Promise.withResolvers<boolean>()
  respond = (response) => {
    response.once('close', () => resolve(response.writableFinished))
    session.destroy()
  }
  await openListener(t)
  session.request({ ':path': '/', ':method': 'HEAD' }).on('error', () => {})
  assert.equal(await closed, false)
})

test('a 205 response over HTTP/2 is sent without body and Content-Length, which would make it malformed', async (t) => {
  respond = (response) => {
    response.writeHead(205, ['Content-Length', '5', 'X-A', '1'])
    response.end('hello')
  }
  await openListener(t)
  const stream = session.request({ ':path': '/' }).resume()
  const closed = once(stream, 'close')
  const [head] = await once(stream, 'response')
  assert.deepEqual([head[':status'], head['content-length'], head['x-a']], [205, undefined, '1'])
  await closed
  assert.equal(stream.rstCode, 0)
})

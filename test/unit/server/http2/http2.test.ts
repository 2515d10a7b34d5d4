import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { defaultRequestTimeouts } from '../../../../src/server/listen/limits.ts'
import type { ListenerHandle, ListenerHandlers } from '../../../../src/server/listen/listener.ts'
import { createTlsListener } from '../../../../src/server/listen/tls.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'

const pair = createCertificateAuthority().issue('listener')
const handlers: Omit<ListenerHandlers, 'onRequest'> = {
  isUpgrade: () => false,
  onUpgrade: () => assert.fail(),
  onConnect: () => assert.fail(),
  onClientError: () => {},
  onTlsFailure: () => {},
}

let answer: (response: ServerResponse) => void
let listener: ListenerHandle
let session: ClientHttp2Session

async function openListener(t: TestContext): Promise<void> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  listener = createTlsListener({
    handlers: { ...handlers, onRequest: (_, response) => answer(response) },
    timeouts: defaultRequestTimeouts,
    tls: { ...pair, clientCa: undefined, clientAuth: 'none' },
  })
  listener.server.listen(0, '127.0.0.1')
  await once(listener.server, 'listening')
  const { port } = listener.server.address() as AddressInfo
  session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, settings: { initialWindowSize: 0 } })
  session.on('error', () => {})
  await once(session, 'remoteSettings')
}

beforeEach(() => {
  answer = (response) => response.end()
})

afterEach(async () => {
  session.destroy()
  listener.destroyConnections()
  listener.server.close()
  await once(listener.server, 'close')
  await turns() // a timer of this test that is cleared in the next would be taken for one of those
})

/** There and back, and time for the server to do what follows from what it has heard. */
async function ping(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  session.ping(() => resolve())
  await promise
  await turns()
}

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn()
}

describe('a connection ends', () => {
  test('20 s after its beginning without a request, PING or not', async (t) => {
    await openListener(t)
    t.mock.timers.tick(19_999)
    await ping()
    const closed = once(session, 'close')
    t.mock.timers.tick(1)
    await closed
  })

  test('125 s after its last answer, and not before', async (t) => {
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

  test('not while an answer is on its way', async (t) => {
    const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>()
    answer = resolve
    await openListener(t)
    const stream = session.request({ ':path': '/' })
    const response = await asked
    t.mock.timers.tick(1_000_000)
    response.end()
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
  })
})

describe('a client that makes no room for its answer', () => {
  for (const [what, write] of [
    ['in the middle of it', (response: ServerResponse) => void response.write('x'.repeat(100_000))],
    ['at its end', (response: ServerResponse) => void response.end('x')],
  ] as const) {
    test(`${what}: the stream is reset after 120 s, and the connection lives`, async (t) => {
      answer = write
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

test('an answer is finished when all of it is out, though the client still speaks', async (t) => {
  const { promise: finished, resolve } = Promise.withResolvers<void>()
  answer = (response) => {
    response.once('close', () => response.writableFinished && resolve())
    response.writeHead(200, 'a reason that HTTP/2 has no place for', ['X-A', '1']).end()
  }
  await openListener(t)
  const stream = session.request({ ':path': '/', ':method': 'POST' })
  stream.on('error', () => {})
  stream.write('half')
  await finished
})

test('a client that says goodbye before its answer: closed, and not finished', async (t) => {
  const { promise: closed, resolve } = Promise.withResolvers<boolean>()
  answer = (response) => {
    response.once('close', () => resolve(response.writableFinished))
    session.destroy()
  }
  await openListener(t)
  session.request({ ':path': '/', ':method': 'HEAD' }).on('error', () => {})
  assert.equal(await closed, false)
})

test('an answer that may have no body, and says a length, is given without it: a client would take it for malformed', async (t) => {
  answer = (response) => {
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

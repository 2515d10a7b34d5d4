import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createResponse } from '../../../src/http/response.ts'
import { createLog } from '../../../src/observability/log.ts'
import { createRequestLog } from '../../../src/observability/request-log.ts'
import { createRenderError } from '../../../src/server/error-response.ts'
import { createServer, type GatewayServer } from '../../../src/server/server.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { openRaw } from '../../support/raw-http.ts'
import { trustingReader } from '../../support/request-context.ts'
import { eventually } from '../../support/wait.ts'

/** More than the kernel buffers for a client that does not read. */
const largeSize = 16_777_216
const certificate = createCertificateAuthority().issue('server')

let server: GatewayServer
let port: number
let responses: ServerResponse[]
let statuses: number[]
let clients: Socket[]
let tlsFailures: string[]

async function startServer(isTls: boolean): Promise<void> {
  const destination = new Writable({
    write(line, _encoding, done) {
      statuses.push(JSON.parse(line)['http.response.status_code'])
      done()
    },
  })
  const log = await createLog({ level: 'info', format: 'json', destination })
  const logRequest = createRequestLog(log, { sampleHits: 1, excludePaths: [] }).logRequest
  server = await createServer({
    listeners: [{ kind: 'tcp', host: '127.0.0.1', port: 0, isTls }],
    tls: { ...certificate, clientCa: undefined, clientAuth: 'none' },
    handlers: () => ({
      reader: trustingReader,
      handle: ({ request: { url } }) =>
        createResponse(200, 'text/plain', url === '/large' ? 'x'.repeat(largeSize) : 'small'),
      endpoints: new Map(),
      renderError: createRenderError('generic'),
    }),
    logRequest(context, response, outcome) {
      responses.push(response!)
      logRequest(context, response, outcome)
    },
    logFault: () => {},
    logTlsFailure: (reason) => void tlsFailures.push(reason),
  })
  port = Number(new URL((await server.listen())[0]!).port)
}

async function open(isTls: boolean) {
  const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`
  const { socket, send, until, closed } = openRaw(url, { rejectUnauthorized: false })
  clients.push(socket)
  socket.pause()
  await once(socket, isTls ? 'secureConnect' : 'connect')
  return {
    /** Sends requests without reading. Resolves when all responses have ended. */
    async request(...targets: string[]): Promise<void> {
      const count = responses.length + targets.length
      send(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: es\r\n\r\n`).join(''))
      while (responses.length < count || responses.some(({ writableEnded }) => !writableEnded)) await nextTurn()
    },
    send,
    read: () => void socket.resume(),
    until,
    /** Resolves to all that was read, with the large body replaced by its length. */
    closed: closed.then((text) => text.replace(/x{2,}/, ({ length }) => `${length} times x`)),
  }
}

beforeEach(() => {
  responses = []
  statuses = []
  clients = []
  tlsFailures = []
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await server.close(0)
})

for (const isTls of [false, true]) {
  describe(`a slow client ${isTls ? 'with' : 'without'} TLS during a graceful shutdown`, () => {
    test(`a slow client ${isTls ? 'with' : 'without'} TLS receives all of a response already written, logged as 200, while the shutdown closes idle connections`, async () => {
      await startServer(isTls)
      const idle = await open(isTls)
      idle.read()
      await idle.request('/')
      await idle.until(/small$/)
      const slow = await open(isTls)
      await slow.request('/large')
      assert.equal(responses[1]!.writableFinished, false)
      const closing = server.close(600_000)
      slow.read()
      assert.match(await slow.closed, /^HTTP\/1.1 200 OK\r\n.*\r\n\r\n16777216 times x$/s)
      assert.match(await idle.closed, /small$/)
      await closing
      assert.deepEqual(statuses, [200, 200])
    })

    test(`a slow client ${isTls ? 'with' : 'without'} TLS receives the pipelined responses after a large response during the shutdown`, async () => {
      await startServer(isTls)
      const slow = await open(isTls)
      await slow.request('/large', '/', '/')
      const closing = server.close(600_000)
      slow.read()
      assert.deepEqual((await slow.closed).match(/small/g), ['small', 'small'])
      await closing
      assert.deepEqual(statuses, [200, 200, 200])
    })

    test(`a slow client ${isTls ? 'with' : 'without'} TLS delays closing idle connections until its response with Connection: close has been sent`, async () => {
      await startServer(isTls)
      const idle = await open(isTls)
      idle.read()
      await idle.request('/')
      const slow = await open(isTls)
      slow.send('GET /large HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n')
      while (!responses[1]?.writableEnded) await nextTurn()
      const closing = server.close(600_000)
      slow.read()
      for (const { closed } of [slow, idle]) await closed
      await closing
    })

    test(`a slow client ${isTls ? 'with' : 'without'} TLS receives all of a response during the shutdown after another slow connection has closed`, async () => {
      await startServer(isTls)
      const [first, second] = [await open(isTls), await open(isTls)]
      await first.request('/large')
      await second.request('/large')
      const closing = server.close(600_000)
      first.read()
      await once(responses[0]!, 'close')
      second.read() // the end of the first response must not close this connection
      for (const { closed } of [first, second]) assert.match(await closed, /16777216 times x$/)
      await closing
    })

    test(`a client ${isTls ? 'with' : 'without'} TLS that reads nothing is disconnected after the shutdown timeout and logged as 499`, async () => {
      await startServer(isTls)
      const stalled = await open(isTls)
      await stalled.request('/large')
      await server.close(10)
      stalled.read()
      assert.doesNotMatch(await stalled.closed, /16777216 times x$/)
      assert.deepEqual(statuses, [499])
    })
  })

  test(`a connection ${isTls ? 'with' : 'without'} TLS on which nothing has arrived does not delay the shutdown`, async () => {
    await startServer(isTls)
    const { socket, closed } = openRaw(port)
    clients.push(socket)
    await eventually(server.countConnections, (count) => count === 1)
    await server.close(600_000)
    assert.equal(await closed, '')
    assert.ok(!tlsFailures.includes('ERR_TLS_HANDSHAKE_TIMEOUT'))
  })

  test(`a request ${isTls ? 'with' : 'without'} TLS whose head has partly arrived gets its response during the shutdown`, async () => {
    await startServer(isTls)
    const connection = await open(isTls)
    connection.read()
    await connection.request('/')
    const { socket } = responses[0]!.req
    const before = socket.bytesRead
    connection.send('GET / HTTP/1.1\r\n')
    while (socket.bytesRead === before) await nextTurn()
    const closing = server.close(600_000)
    connection.send('Host: es\r\n\r\n')
    assert.match(await connection.closed, /small.*\r\nConnection: close\r\n.*small$/s)
    await closing
  })
}

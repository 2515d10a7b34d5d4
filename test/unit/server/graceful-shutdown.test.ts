import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { createResponse } from '../../../src/http/response.ts'
import { createLog } from '../../../src/observability/log.ts'
import { createMetrics } from '../../../src/observability/metrics.ts'
import { createLogRequest } from '../../../src/observability/request-log.ts'
import { createRenderError } from '../../../src/server/error-response.ts'
import { createServer, type GatewayServer } from '../../../src/server/server.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'

/** More than the kernel holds for a client that does not read. */
const large = 16_777_216
const pair = createCertificateAuthority().issue('server')

let server: GatewayServer
let port: number
let responses: ServerResponse[]
let statuses: number[]
let clients: Socket[]

async function serve(isTls: boolean): Promise<void> {
  const destination = new Writable({
    write(line, _encoding, done) {
      statuses.push(JSON.parse(line)['http.response.status_code'])
      done()
    },
  })
  const log = createLog({ level: 'info', format: 'json', destination })
  const logRequest = createLogRequest(log, () => ({ method: 'GET', target: '/', host: 'es' }))
  server = createServer({
    listeners: [{ kind: 'tcp', host: '127.0.0.1', port: 0, isTls }],
    tls: { ...pair, clientCa: undefined, clientAuth: 'none' },
    handlers: () => ({
      handle: ({ url }) => createResponse(200, 'text/plain', url === '/large' ? 'x'.repeat(large) : 'small'),
      endpoints: new Map(),
      renderError: createRenderError('generic'),
    }),
    logRequest(request, response, outcome) {
      responses.push(response!)
      logRequest(request, response, outcome)
    },
    logFault: () => {},
    metrics: createMetrics(),
  })
  port = Number(new URL((await server.listen())[0]!).port)
}

async function open(isTls: boolean) {
  const place = { port, host: '127.0.0.1', rejectUnauthorized: false }
  const socket = isTls ? connectTls(place) : connectPlain(place)
  clients.push(socket)
  socket.on('error', () => {}) // a reset is a close too
  let text = ''
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(text.replace(/x{2,}/, ({ length }) => `${length} times x`)))
  })
  await once(socket, isTls ? 'secureConnect' : 'connect')
  return {
    /** Sends requests and reads nothing. Resolves when all answers have ended. */
    async askFor(...targets: string[]): Promise<void> {
      const count = responses.length + targets.length
      socket.write(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: es\r\n\r\n`).join(''))
      while (responses.length < count || responses.some(({ writableEnded }) => !writableEnded)) await turn()
    },
    send: (words: string) => void socket.write(words),
    read: () => void socket.on('data', (chunk) => (text += chunk)),
    async until(pattern: RegExp): Promise<void> {
      while (!pattern.test(text)) await once(socket, 'data')
    },
    /** Resolves to all that was read, the large answer by its length. */
    closed,
  }
}

beforeEach(() => {
  responses = []
  statuses = []
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await server.close(0)
})

for (const isTls of [false, true]) {
  describe(`who reads slowly, ${isTls ? 'with' : 'without'} TLS, when the server closes`, () => {
    test('gets all of an answer that has ended, logged as 200, and idle connections beside it close, too', async () => {
      await serve(isTls)
      const idle = await open(isTls)
      idle.read()
      await idle.askFor('/')
      await idle.until(/small$/)
      const slow = await open(isTls)
      await slow.askFor('/large')
      assert.equal(responses[1]!.writableFinished, false)
      const closing = server.close(600_000)
      slow.read()
      assert.match(await slow.closed, /^HTTP\/1.1 200 OK\r\n.*\r\n\r\n16777216 times x$/s)
      assert.match(await idle.closed, /small$/)
      await closing
      assert.deepEqual(statuses, [200, 200])
    })

    test('gets the answers behind that one, too', async () => {
      await serve(isTls)
      const slow = await open(isTls)
      await slow.askFor('/large', '/', '/')
      const closing = server.close(600_000)
      slow.read()
      assert.deepEqual((await slow.closed).match(/small/g), ['small', 'small'])
      await closing
      assert.deepEqual(statuses, [200, 200, 200])
    })

    test('is the last to keep idle connections, though its own ends with its answer', async () => {
      await serve(isTls)
      const idle = await open(isTls)
      idle.read()
      await idle.askFor('/')
      const slow = await open(isTls)
      slow.send('GET /large HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n')
      while (!responses[1]?.writableEnded) await turn()
      const closing = server.close(600_000)
      slow.read()
      for (const { closed } of [slow, idle]) await closed
      await closing
    })

    test('gets all on a second connection, too, when the first one is done', async () => {
      await serve(isTls)
      const [first, second] = [await open(isTls), await open(isTls)]
      await first.askFor('/large')
      await second.askFor('/large')
      const closing = server.close(600_000)
      first.read()
      await once(responses[0]!, 'close')
      second.read() // the end of the first answer was no end to this one
      for (const { closed } of [first, second]) assert.match(await closed, /16777216 times x$/)
      await closing
    })

    test('but nothing at all, is cut when patience is over, logged as 499', async () => {
      await serve(isTls)
      const stalled = await open(isTls)
      await stalled.askFor('/large')
      await server.close(10)
      stalled.read()
      assert.doesNotMatch(await stalled.closed, /16777216 times x$/)
      assert.deepEqual(statuses, [499])
    })
  })

  test(`a request of which half the head has come, ${isTls ? 'with' : 'without'} TLS, is answered when the server closes`, async () => {
    await serve(isTls)
    const connection = await open(isTls)
    connection.read()
    await connection.askFor('/')
    const { socket } = responses[0]!.req
    const before = socket.bytesRead
    connection.send('GET / HTTP/1.1\r\n')
    while (socket.bytesRead === before) await turn()
    const closing = server.close(600_000)
    connection.send('Host: es\r\n\r\n')
    assert.match(await connection.closed, /small.*\r\nConnection: close\r\n.*small$/s)
    await closing
  })
}

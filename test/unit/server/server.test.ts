import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from '../../../src/http/errors.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { type Handler, readMethods } from '../../../src/http/handler.ts'
import { createResponse } from '../../../src/http/response.ts'
import type { Metrics } from '../../../src/observability/metrics/metrics.ts'
import type { Outcome } from '../../../src/observability/request-log.ts'
import { createRenderError } from '../../../src/server/error-response.ts'
import { createServer, type GatewayServer } from '../../../src/server/server.ts'
import { createFullMetrics } from '../../support/metrics.ts'
import { openRaw, type RawConnection } from '../../support/raw-http.ts'
import { trustingReader } from '../../support/request-context.ts'

const mode: Handler = async () => ({ ...createResponse(200, 'text/plain', 'mode'), username: 'bob' })
const endpoint: Handler = async () => createResponse(200, 'text/plain', 'endpoint')

let handle: Handler
let server: GatewayServer
let port: number
let metrics: Metrics
let outcomes: (Outcome & { id: string })[]
let faults: [ErrorCode, string | undefined][]

beforeEach(async () => {
  handle = mode
  metrics = createFullMetrics()
  outcomes = []
  faults = []
  server = await createServer({
    listeners: [{ kind: 'tcp', host: '127.0.0.1', port: 0, isTls: false }],
    handlers: () => ({
      reader: trustingReader,
      handle: (context) => handle(context),
      endpoints: new Map([['/elastauth/health', { methods: readMethods, handle: endpoint }]]),
      renderError: createRenderError('generic'),
    }),
    logRequest: ({ id }, _response, outcome) => void outcomes.push({ id, ...outcome }),
    logFault: (code, { address }) => void faults.push([code, address]),
    metrics: metrics.requests,
  })
  port = Number(new URL((await server.listen())[0]!).port)
})
afterEach(async () => {
  for (const { socket } of opened.splice(0)) socket.destroy()
  await server.close(0)
})

const { setTimeout: startTimer } = globalThis

const opened: RawConnection[] = []
function open(options?: { allowHalfOpen: boolean }): RawConnection {
  const connection = openRaw(port, options)
  opened.push(connection)
  return connection
}

/** Sends a request with exactly this target on a new connection. */
async function send(target: string, headers: string[] = [], method = 'GET') {
  const connection = open()
  connection.send([`${method} ${target} HTTP/1.1`, 'Host: es', 'Connection: close', ...headers, '', ''].join('\r\n'))
  const text = await connection.closed
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body }
}

describe("an endpoint is found by its exact path, and other requests go to the mode's handler", () => {
  const rows: [target: string, expected: 'endpoint' | 'mode' | 404][] = [
    ['/elastauth/health', 'endpoint'],
    ['/elastauth/health?x=/y', 'endpoint'],
    ['/elastauth/health?', 'endpoint'],
    ['/elastauth/health?%zz', 'endpoint'],
    ['/%65lastauth/health', 'endpoint'],
    ['/elastauth%2fhealth', 'endpoint'],
    ['/elastauth/', 404],
    ['/elastauth//health', 404],
    ['/elastauth/health/', 404],
    ['/elastauth/Health', 404],
    ['/elastauth/health%00', 404],
    ['/elastauth/health%3Fx', 404],
    ['/elastauth/health;x', 404],
    ['/elastauth/%68ealth%20', 404],
    ['/elastauth/../health', 404],
    ['/elastauth/x/../health', 404],
    ['/elastauth/constructor', 404],
    ['/%2565lastauth/health', 'mode'],
    ['/elastauth', 'mode'],
    ['/elastauth?/health', 'mode'],
    ['/elastauthx/health', 'mode'],
    ['/ELASTAUTH/health', 'mode'],
    ['//elastauth/health', 'mode'],
    ['/./elastauth/health', 'mode'],
    ['/x/../elastauth/health', 'mode'],
    ['/x%2f..%2felastauth/health', 'mode'],
    ['/\\elastauth/health', 'mode'],
    ['http://es/elastauth/health', 'mode'],
    ['/', 'mode'],
    ['/?/elastauth/health', 'mode'],
    ['/%', 'mode'],
    ['/%zz', 'mode'],
    ['/%e0%a4%a', 'mode'],
    ['/elastauth/%zz', 404],
    ['/elastauth/%ff', 404],
    ['/elastauth/%c3%28', 404],
    ['/elastauth/%', 404],
    ['/elastauth/health%ff', 404],
    ['/%65lastauth/%ff', 'mode'],
    ['*', 'mode'],
  ]
  for (const [target, expected] of rows) {
    test(`a request for ${target} ${{ endpoint: 'goes to the endpoint', mode: "goes to the mode's handler", 404: 'gets 404' }[expected]}`, async () => {
      const { status, body } = await send(target, [], target === '*' ? 'OPTIONS' : 'GET')
      if (expected === 404) assert.deepEqual([status, JSON.parse(body).error], [404, 'not_found'])
      else assert.deepEqual([status, body], [200, expected])
    })
  }
})

describe('requests with other methods than GET', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND']) {
    test(`responds to ${method} for an endpoint with 405 and Allow`, async () => {
      const { status, head } = await send('/elastauth/health', ['Content-Length: 0'], method)
      assert.equal(status, 405)
      assert.match(head, /\r\nAllow: GET, HEAD/)
    })
    test(`passes ${method} on any other path to the mode's handler`, async () => {
      assert.equal((await send('/_bulk', ['Content-Length: 0'], method)).body, 'mode')
    })
  }
  test('responds to HEAD for an endpoint without a body', async () => {
    const { status, body } = await send('/elastauth/health', [], 'HEAD')
    assert.deepEqual([status, body], [200, ''])
  })
})

describe('unusual requests', () => {
  test('rejects a CONNECT request with 400 and logs the rejection', async () => {
    const connection = open()
    connection.send('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.deepEqual(faults[0]?.[0], 'payload_invalid')
  })

  test('ignores an unknown Expect header', async () => {
    assert.equal((await send('/', ['Expect: the-impossible'])).status, 200)
  })
})

test('logs a request whose response cannot be written, and closes its connection', async () => {
  handle = async () => ({ ...createResponse(200, 'text/plain', 'mode'), headers: ['X-User', '\u0100'] })
  assert.equal((await send('/')).head, '')
  assert.equal(outcomes.length, 1)
  assert.deepEqual(faults, [['internal', '127.0.0.1']])
})

describe('the header limits', () => {
  const headers = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1`)

  test('accepts a request with 500 headers', async () => assert.equal((await send('/', headers(498))).status, 200))
  test('rejects a request with 501 headers with 431 instead of dropping a header silently', async () => {
    const { status, body } = await send('/', headers(499))
    assert.deepEqual([status, JSON.parse(body).error], [431, 'headers_too_large'])
  })
  test('closes the connection after a request with 501 headers, because Node may not know where the request ends', async () => {
    const connection = open()
    connection.send(['GET / HTTP/1.1', 'Host: es', ...headers(500), '', ''].join('\r\n'))
    assert.match(await connection.closed, /^HTTP\/1\.1 431 .*\r\nConnection: close\r\n/s)
  })
  test('rejects a request for an endpoint with 501 headers with 431', async () =>
    assert.equal((await send('/elastauth/health', headers(499))).status, 431))
  test('accepts a request with 60 KB of headers', async () =>
    assert.equal((await send('/', [`X: ${'x'.repeat(60 * 1024)}`])).status, 200))
  test('rejects more than 64 KB of headers with 431 and closes the connection', async () => {
    const { status, body } = await send('/', [`X: ${'x'.repeat(65 * 1024)}`])
    assert.deepEqual([status, JSON.parse(body).error], [431, 'headers_too_large'])
    assert.deepEqual(faults, [['headers_too_large', '127.0.0.1']])
  })
  test('rejects a target of 70 KB with 431', async () =>
    assert.equal((await send(`/${'x'.repeat(70 * 1024)}`)).status, 431))
})

describe('invalid HTTP', () => {
  const host = 'Host: es\r\n'
  const invalidRequests: Record<string, string> = {
    'data that is not HTTP': 'hello\r\n\r\n',
    'a TLS handshake': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a header without a colon': `GET / HTTP/1.1\r\n${host}X\r\n\r\n`,
    'a space before the colon': `GET / HTTP/1.1\r\n${host}Remote-User : bob\r\n\r\n`,
    'a folded header': `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`,
    'a NUL in a header': `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`,
    'a bare CR in a header': `GET / HTTP/1.1\r\n${host}X: a\rRemote-User: bob\r\n\r\n`,
    'two Content-Length headers': `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    'Content-Length with Transfer-Encoding': `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a Content-Length with a sign': `POST / HTTP/1.1\r\n${host}Content-Length: +1\r\n\r\nx`,
    'a space in the target': `GET /a b HTTP/1.1\r\n${host}\r\n`,
    'an unknown method': `FETCH / HTTP/1.1\r\n${host}\r\n`,
    'HTTP/1.1 without a Host': 'GET / HTTP/1.1\r\n\r\n',
  }
  for (const [name, bytes] of Object.entries(invalidRequests)) {
    test(`${name} is rejected with 400, and the connection is closed`, async () => {
      const connection = open()
      connection.send(bytes)
      assert.match(await connection.closed, /^HTTP\/1\.1 400 /)
    })
  }

  test('invalid HTTP is logged, and the response does not repeat what the client sent', async () => {
    const connection = open()
    connection.send('hunter2\r\n\r\n')
    const text = await connection.closed
    assert.doesNotMatch(text, /hunter2/)
    assert.deepEqual(faults, [['payload_invalid', '127.0.0.1']])
  })

  test('a request without a Host header is logged with this reason', async () => {
    const connection = open()
    connection.send('GET / HTTP/1.1\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1\.1 400 .*"payload_invalid".*\}\n$/s)
    assert.equal(outcomes[0]?.error?.detail, 'no Host header')
  })

  test('invalid HTTP gets one response, which a client that sends more data can still read', async (t) => {
    // The client gets a minute to read the response, because this machine may be busy for the second that it has otherwise.
    t.mock.method(globalThis, 'setTimeout', (end: () => void) => startTimer(end, 60_000).unref())
    const connection = open()
    connection.socket.pause()
    connection.send('hello\r\n\r\n')
    await new Promise((done) => connection.socket.write('x'.repeat(4 * 1024 * 1024), done))
    connection.socket.resume()
    assert.match(await connection.closed, /^HTTP\/1\.1 400 .*"payload_invalid".*\}\n$/s)
    assert.equal(faults.length, 1)
  })

  test('a connection with invalid HTTP is closed even if the client never closes it', async (t) => {
    const timeout = sleep(60_000, 'still open', { ref: false })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const connection = open({ allowHalfOpen: true })
    connection.send('hello\r\n\r\n')
    await once(connection.socket, 'end')
    const closing = server.close(600_000)
    t.mock.timers.tick(1000)
    assert.notEqual(await Promise.race([closing, timeout]), 'still open')
  })

  for (const isImmediate of [true, false]) {
    test(`a request after an HTTP/1.0 request on its connection is not processed if the first response comes ${isImmediate ? 'at once' : 'later'}`, async () => {
      if (isImmediate) handle = () => createResponse(200, 'text/plain', 'mode')
      const connection = open()
      connection.send('GET / HTTP/1.0\r\nHost: es\r\n\r\nGET / HTTP/1.1\r\nHost: es\r\n\r\n')
      assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
      assert.deepEqual(faults, [])
    })
  }

  test('invalid HTTP on one connection does not affect other connections', async () => {
    open().send('hello\r\n\r\n')
    assert.equal((await send('/')).status, 200)
  })
})

describe('requests with a body', () => {
  test('responds to a request with Expect: 100-continue at once, without sending 100', async () => {
    const text = await send('/_bulk', ['Content-Length: 1000000', 'Expect: 100-continue'], 'POST')
    assert.deepEqual([text.status, text.body], [200, 'mode'])
  })

  test('responds before the end of the request body', async () => {
    const connection = open()
    connection.send('POST / HTTP/1.1\r\nHost: es\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    assert.match(await connection.until(/mode/), /^HTTP\/1\.1 200/)
    connection.socket.destroy()
  })

  test('responds to a pipelined request after a request body', async () => {
    const connection = open()
    connection.send(
      'POST / HTTP/1.1\r\nHost: es\r\nContent-Length: 5\r\n\r\nhelloGET /elastauth/health HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n',
    )
    assert.match(await connection.closed, /mode.*endpoint$/s)
  })

  test('handles an upgrade like an ordinary request if there is no upgrade handler', async () => {
    assert.equal((await send('/', ['Connection: Upgrade', 'Upgrade: websocket'])).body, 'mode')
  })
})

describe('an error of a handler', () => {
  test('an error of a handler is rendered from the error table and logged with its cause', async () => {
    const cause = new TypeError('x is not a function')
    handle = () => Promise.reject(cause)
    const { status, body } = await send('/')
    assert.deepEqual([status, JSON.parse(body).error], [500, 'internal'])
    assert.doesNotMatch(body, /not a function/)
    assert.equal(outcomes[0]?.error?.cause, cause)
  })

  test('an error that a handler throws synchronously is rendered like a rejection', async () => {
    handle = () => {
      throw new GatewayError('no_roles', '')
    }
    assert.equal((await send('/')).status, 403)
  })

  test('an error response has a unique request id, which is also in the log', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    const ids = [JSON.parse((await send('/')).body).request_id, JSON.parse((await send('/')).body).request_id]
    assert.equal(new Set(ids).size, 2)
    assert.deepEqual(
      outcomes.map(({ id }) => id),
      ids,
    )
  })

  test('request ids consist of hexadecimal digits, so that no letter looks like a digit', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    for (let i = 0; i < 40; i++) assert.match(JSON.parse((await send('/')).body).request_id, /^[0-9a-f]{12}-[0-9a-f]+$/)
  })

  test('an error response to HEAD has all headers, including Content-Length, and no body', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    const { body } = await send('/')
    const head = await send('/', [], 'HEAD')
    assert.deepEqual([head.status, head.body], [403, ''])
    assert.match(head.head, new RegExp(`\r\nContent-Length: ${body.length}\r\n`))
  })

  test('an error of a handler is counted by its code and by the response status', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    await send('/')
    const text = await metrics.registry.metrics()
    assert.match(text, /^elastauth_errors_total\{error_type="no_roles"\} 1$/m)
    assert.match(text, /^elastauth_requests_total\{method="GET",status="403"\} 1$/m)
    assert.match(text, /^elastauth_active_requests 0$/m)
  })
})

test('the authenticated user of a request is logged', async () => {
  await send('/')
  assert.equal(outcomes[0]?.username, 'bob')
})

describe('listen', () => {
  test('listen rejects with EADDRINUSE for an address in use', async () => {
    const second = await createServer({
      listeners: [{ kind: 'tcp', host: '127.0.0.1', port, isTls: false }],
      handlers: () => assert.fail(),
      logRequest: () => {},
      logFault: () => {},
    })
    await assert.rejects(second.listen(), { code: 'EADDRINUSE' })
  })
})

describe('a graceful shutdown', () => {
  const handleSlowly = () => {
    const { promise, resolve: finish } = Promise.withResolvers<void>()
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    handle = async (request) => {
      arrive()
      await promise
      return mode(request)
    }
    return { finish, arrived }
  }

  test('a graceful shutdown ends at once and closes idle connections if no request is pending', async () => {
    const idle = open()
    idle.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await idle.until(/mode/)
    await server.close(600_000)
    await idle.closed
  })

  test('a graceful shutdown finishes a pending request and accepts no new connection', async () => {
    const { finish, arrived } = handleSlowly()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n')
    await arrived
    const closing = server.close(600_000)
    const late = open()
    assert.equal(await late.closed, '')
    finish()
    assert.match(await connection.closed, /200 OK.*mode$/s)
    await closing
  })

  test('a graceful shutdown sends Connection: close with a pending response, so that the connection does not delay the shutdown', async () => {
    const { finish, arrived } = handleSlowly()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    const closing = server.close(600_000)
    finish()
    assert.match(await connection.until(/mode/), /\r\nConnection: close\r\n/)
    await closing
  })

  test('a graceful shutdown does not process a request that arrives after a pending request, so that the client may retry elsewhere', async () => {
    const { finish, arrived } = handleSlowly()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    const closing = server.close(600_000)
    connection.send('GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n')
    finish()
    assert.match(await connection.closed, /Connection: close.*mode$/s) // RFC 9112, section 9.6
    await closing
  })

  test('a graceful shutdown destroys a connection with a pending request after the timeout', async () => {
    const { arrived } = handleSlowly()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    await server.close(10)
    assert.equal(await connection.closed, '')
  })
})

test('a client that disconnects during its request affects no other client and is counted as 499', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>()
  handle = async (context) => {
    arrive()
    await once(context.request.socket, 'close')
    onClosed()
    return mode(context)
  }
  const client = open()
  client.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
  await arrived
  client.socket.destroy()
  await closed
  handle = mode
  assert.equal((await send('/')).status, 200)
  assert.match(await metrics.registry.metrics(), /^elastauth_requests_total\{method="GET",status="499"\} 1$/m)
})

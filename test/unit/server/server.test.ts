import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from '../../../src/http/errors.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { type Handler, readMethods } from '../../../src/http/handler.ts'
import { createResponse } from '../../../src/http/response.ts'
import { createMetrics, type Metrics } from '../../../src/observability/metrics.ts'
import type { Outcome } from '../../../src/observability/request-log.ts'
import { createRenderError } from '../../../src/server/error-response.ts'
import { createServer, type GatewayServer } from '../../../src/server/server.ts'
import { openRaw, type RawConnection } from '../../support/raw-http.ts'

const mode: Handler = async () => ({ ...createResponse(200, 'text/plain', 'mode'), username: 'bob' })
const page: Handler = async () => createResponse(200, 'text/plain', 'page')

let handle: Handler
let server: GatewayServer
let port: number
let metrics: Metrics
let outcomes: Outcome[]
let faults: [ErrorCode, string | undefined][]

beforeEach(async () => {
  handle = mode
  metrics = createMetrics()
  outcomes = []
  faults = []
  server = createServer({
    listeners: [{ kind: 'tcp', host: '127.0.0.1', port: 0, isTls: false }],
    handlers: () => ({
      handle: (request) => handle(request),
      endpoints: new Map([['/elastauth/health', { methods: readMethods, handle: page }]]),
      renderError: createRenderError('generic'),
    }),
    logRequest: (_request, _response, outcome) => void outcomes.push(outcome),
    logFault: (code, address) => void faults.push([code, address]),
    metrics,
  })
  port = Number(new URL((await server.listen())[0]!).port)
})
afterEach(async () => {
  for (const { socket } of opened.splice(0)) socket.destroy()
  await server.close(0)
})

const opened: RawConnection[] = []
function open(options?: { allowHalfOpen: boolean }): RawConnection {
  const connection = openRaw(port, options)
  opened.push(connection)
  return connection
}

/** Sends a target as it is, on a connection of its own. */
async function ask(target: string, headers: string[] = [], method = 'GET') {
  const connection = open()
  connection.send([`${method} ${target} HTTP/1.1`, 'Host: es', 'Connection: close', ...headers, '', ''].join('\r\n'))
  const text = await connection.closed
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body }
}

describe('own pages are found by their exact path, all else is the mode’s', () => {
  const rows: [target: string, expected: 'page' | 'mode' | 404][] = [
    ['/elastauth/health', 'page'],
    ['/elastauth/health?x=/y', 'page'],
    ['/elastauth/health?', 'page'],
    ['/elastauth/health?%zz', 'page'],
    ['/%65lastauth/health', 'page'],
    ['/elastauth%2fhealth', 'page'],
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
    test(target, async () => {
      const { status, body } = await ask(target, [], target === '*' ? 'OPTIONS' : 'GET')
      if (expected === 404) assert.deepEqual([status, JSON.parse(body).error], [404, 'not_found'])
      else assert.deepEqual([status, body], [200, expected])
    })
  }
})

describe('methods', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND']) {
    test(`${method} to an own page is 405 and says what is possible`, async () => {
      const { status, head } = await ask('/elastauth/health', ['Content-Length: 0'], method)
      assert.equal(status, 405)
      assert.match(head, /\r\nAllow: GET, HEAD/)
    })
    test(`${method} anywhere else is the mode’s`, async () => {
      assert.equal((await ask('/_bulk', ['Content-Length: 0'], method)).body, 'mode')
    })
  }
  test('HEAD to an own page has no body', async () => {
    const { status, body } = await ask('/elastauth/health', [], 'HEAD')
    assert.deepEqual([status, body], [200, ''])
  })
})

describe('what is not quite a request', () => {
  test('CONNECT gets an answer, and a line in the log', async () => {
    const connection = open()
    connection.send('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.deepEqual(faults[0]?.[0], 'payload_invalid')
  })

  test('an expectation that nobody knows is answered as any other request', async () => {
    assert.equal((await ask('/', ['Expect: the-impossible'])).status, 200)
  })
})

describe('headers beyond measure', () => {
  const headers = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1`)

  test('500 pass', async () => assert.equal((await ask('/', headers(498))).status, 200))
  test('501 are 431: none is dropped in silence', async () => {
    const { status, body } = await ask('/', headers(499))
    assert.deepEqual([status, JSON.parse(body).error], [431, 'headers_too_large'])
  })
  test('501 are 431 on an own page too', async () =>
    assert.equal((await ask('/elastauth/health', headers(499))).status, 431))
  test('60 KB pass', async () => assert.equal((await ask('/', [`X: ${'x'.repeat(60 * 1024)}`])).status, 200))
  test('more than 64 KB is 431, and the connection closed', async () => {
    const { status, body } = await ask('/', [`X: ${'x'.repeat(65 * 1024)}`])
    assert.deepEqual([status, JSON.parse(body).error], [431, 'headers_too_large'])
    assert.deepEqual(faults, [['headers_too_large', '127.0.0.1']])
  })
  test('a target of 70 KB is 431', async () => assert.equal((await ask(`/${'x'.repeat(70 * 1024)}`)).status, 431))
})

describe('what is no HTTP is 400 and closed', () => {
  const host = 'Host: es\r\n'
  const raws: Record<string, string> = {
    'no HTTP at all': 'hello\r\n\r\n',
    'a TLS handshake': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a header without a colon': `GET / HTTP/1.1\r\n${host}X\r\n\r\n`,
    'a blank before the colon': `GET / HTTP/1.1\r\n${host}Remote-User : bob\r\n\r\n`,
    'a folded header': `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`,
    'a NUL in a header': `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`,
    'a bare CR in a header': `GET / HTTP/1.1\r\n${host}X: a\rRemote-User: bob\r\n\r\n`,
    'two lengths': `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    'a length and chunks': `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a length with a sign': `POST / HTTP/1.1\r\n${host}Content-Length: +1\r\n\r\nx`,
    'a blank in the target': `GET /a b HTTP/1.1\r\n${host}\r\n`,
    'an unknown method': `FETCH / HTTP/1.1\r\n${host}\r\n`,
    'no host': 'GET / HTTP/1.1\r\n\r\n',
  }
  for (const [name, raw] of Object.entries(raws)) {
    test(name, async () => {
      const connection = open()
      connection.send(raw)
      assert.match(await connection.closed, /^HTTP\/1\.1 400 /)
    })
  }

  test('it is logged, and says nothing of what was sent', async () => {
    const connection = open()
    connection.send('hunter2\r\n\r\n')
    const text = await connection.closed
    assert.doesNotMatch(text, /hunter2/)
    assert.deepEqual(faults, [['payload_invalid', '127.0.0.1']])
  })

  test('a request of HTTP/1.1 without a Host is, and its line in the log says why', async () => {
    const connection = open()
    connection.send('GET / HTTP/1.1\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1\.1 400 .*"payload_invalid".*\}\n$/s)
    assert.equal(outcomes[0]?.error?.detail, 'no Host header')
  })

  test('who has more to say can read why it is refused, and is refused once', async () => {
    const connection = open()
    connection.socket.pause()
    connection.send('hello\r\n\r\n')
    await new Promise((done) => connection.socket.write('x'.repeat(4 * 1024 * 1024), done))
    connection.socket.resume()
    assert.match(await connection.closed, /^HTTP\/1\.1 400 .*"payload_invalid".*\}\n$/s)
    assert.equal(faults.length, 1)
  })

  test('a client that never closes its side does not keep the connection', async (t) => {
    const late = sleep(60_000, 'still open', { ref: false })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const connection = open({ allowHalfOpen: true })
    connection.send('hello\r\n\r\n')
    await once(connection.socket, 'end')
    const closing = server.close(600_000)
    t.mock.timers.tick(1000)
    assert.notEqual(await Promise.race([closing, late]), 'still open')
  })

  for (const isKnown of [true, false]) {
    test(`behind a request that closes its connection it is not heard, be its answer ${isKnown ? 'there at once' : 'late'}`, async () => {
      if (isKnown) handle = () => createResponse(200, 'text/plain', 'mode')
      const connection = open()
      connection.send('GET / HTTP/1.0\r\nHost: es\r\n\r\nGET / HTTP/1.1\r\nHost: es\r\n\r\n')
      assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
      assert.deepEqual(faults, [])
    })
  }

  test('the server goes on', async () => {
    open().send('hello\r\n\r\n')
    assert.equal((await ask('/')).status, 200)
  })
})

describe('bodies are never read', () => {
  test('a client that waits for 100 Continue gets its answer at once, and no 100', async () => {
    const text = await ask('/_bulk', ['Content-Length: 1000000', 'Expect: 100-continue'], 'POST')
    assert.deepEqual([text.status, text.body], [200, 'mode'])
  })

  test('a body that never ends does not hold up the answer', async () => {
    const connection = open()
    connection.send('POST / HTTP/1.1\r\nHost: es\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    assert.match(await connection.until(/mode/), /^HTTP\/1\.1 200/)
    connection.socket.destroy()
  })

  test('after a body the connection serves the next request', async () => {
    const connection = open()
    connection.send(
      'POST / HTTP/1.1\r\nHost: es\r\nContent-Length: 5\r\n\r\nhelloGET /elastauth/health HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n',
    )
    assert.match(await connection.closed, /mode.*page$/s)
  })

  test('a request to upgrade is answered as any other', async () => {
    assert.equal((await ask('/', ['Connection: Upgrade', 'Upgrade: websocket'])).body, 'mode')
  })
})

describe('errors', () => {
  test('what is thrown is answered from the table and logged with its cause', async () => {
    const cause = new TypeError('x is not a function')
    handle = () => Promise.reject(cause)
    const { status, body } = await ask('/')
    assert.deepEqual([status, JSON.parse(body).error], [500, 'internal'])
    assert.doesNotMatch(body, /not a function/)
    assert.equal(outcomes[0]?.error?.cause, cause)
  })

  test('thrown before the first await', async () => {
    handle = () => {
      throw new GatewayError('no_roles', '')
    }
    assert.equal((await ask('/')).status, 403)
  })

  test('ids are different, and the answer’s is the log’s', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    const ids = [JSON.parse((await ask('/')).body).request_id, JSON.parse((await ask('/')).body).request_id]
    assert.equal(new Set(ids).size, 2)
    assert.deepEqual(
      outcomes.map(({ requestId }) => requestId),
      ids,
    )
  })

  test('to HEAD: all headers, the length of the body too, and no body', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    const { body } = await ask('/')
    const toHead = await ask('/', [], 'HEAD')
    assert.deepEqual([toHead.status, toHead.body], [403, ''])
    assert.match(toHead.head, new RegExp(`\r\nContent-Length: ${body.length}\r\n`))
  })

  test('are counted by their code, beside the answer', async () => {
    handle = () => Promise.reject(new GatewayError('no_roles', ''))
    await ask('/')
    const text = await metrics.registry!.metrics()
    assert.match(text, /^elastauth_errors_total\{error_type="no_roles"\} 1$/m)
    assert.match(text, /^elastauth_requests_total\{method="GET",status="403"\} 1$/m)
    assert.match(text, /^elastauth_active_requests 0$/m)
  })

  test('whose request it was is logged', async () => {
    await ask('/')
    assert.equal(outcomes[0]?.username, 'bob')
  })
})

describe('listening', () => {
  test('an address in use is an error', async () => {
    const second = createServer({
      listeners: [{ kind: 'tcp', host: '127.0.0.1', port, isTls: false }],
      handlers: () => assert.fail(),
      logRequest: () => {},
      logFault: () => {},
      metrics: createMetrics(),
    })
    await assert.rejects(second.listen(), { code: 'EADDRINUSE' })
  })
})

describe('close', () => {
  const slow = () => {
    const { promise, resolve: finish } = Promise.withResolvers<void>()
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    handle = async (request) => {
      arrive()
      await promise
      return mode(request)
    }
    return { finish, arrived }
  }

  test('with nothing under way, returns at once, idle connections or not', async () => {
    const idle = open()
    idle.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await idle.until(/mode/)
    await server.close(600_000)
    await idle.closed
  })

  test('what is under way gets its answer, and nobody new gets in', async () => {
    const { finish, arrived } = slow()
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

  test('an answer under way says Connection: close, so a kept connection does not hold up the end', async () => {
    const { finish, arrived } = slow()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    const closing = server.close(600_000)
    finish()
    assert.match(await connection.until(/mode/), /\r\nConnection: close\r\n/)
    await closing
  })

  test('a request that comes on a busy connection meanwhile is left for the client to send elsewhere', async () => {
    const { finish, arrived } = slow()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    const closing = server.close(600_000)
    connection.send('GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n')
    finish()
    assert.match(await connection.closed, /Connection: close.*mode$/s) // RFC 9112, 9.6
    await closing
  })

  test('what never ends is cut when patience is over', async () => {
    const { arrived } = slow()
    const connection = open()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    await server.close(10)
    assert.equal(await connection.closed, '')
  })
})

test('a client that leaves in the middle takes nobody with it, and is counted as 499', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  handle = async (request) => {
    arrive()
    await once(request.socket, 'close')
    answer()
    return mode(request)
  }
  const client = open()
  client.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
  await arrived
  client.socket.destroy()
  await answered
  handle = mode
  assert.equal((await ask('/')).status, 200)
  assert.match(await metrics.registry!.metrics(), /^elastauth_requests_total\{method="GET",status="499"\} 1$/m)
})

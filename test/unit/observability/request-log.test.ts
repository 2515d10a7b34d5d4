import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type ErrorCode, errorTable, GatewayError } from '../../../src/http/errors.ts'
import { RequestContext, type RequestReader } from '../../../src/http/request-context.ts'
import { createLog, type LogOptions } from '../../../src/observability/log.ts'
import { createRequestLog, type Outcome, type RequestLogOptions } from '../../../src/observability/request-log.ts'
import { openRaw } from '../../support/raw-http.ts'

type Line = Record<string, unknown>
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
type Given = Partial<Outcome> & {
  /** What is waited for before the request can be answered. */
  work?: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>
  write?: (response: ServerResponse) => void
  /** Called right after `logRequest`. */
  onLogged?: (response: ServerResponse) => void
}

const answered: Given = {
  username: 'bob',
  write: (response) =>
    response
      .writeHead(200, { 'Set-Cookie': 'sid=SECRET-set-cookie', Authorization: 'Basic SECRET-answer' })
      .end('SECRET-body'),
}
const refused = (status: number, error: GatewayError): Given => ({
  error,
  write: (response) => response.writeHead(status, { 'WWW-Authenticate': 'SECRET-header' }).end('SECRET-body'),
})

let text: string
let watch: () => void
let stop: () => void
let port: number
let reload: (changes: Partial<RequestLogOptions>) => void

/** Serves as request-handler.ts does: the response is written first, then `logRequest` is called. */
async function serve(
  { work, write, onLogged, ...outcome }: Given,
  options: Partial<LogOptions & RequestLogOptions> = {},
) {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      watch()
      done()
    },
  })
  const log = await createLog({ level: 'info', format: 'json', destination, ...options })
  const rules = { level: 'info', sampleHits: 1, excludePaths: [], ...options }
  const requestLog = createRequestLog(log, rules)
  reload = (changes) => requestLog.prepareReload({ ...rules, ...changes })()
  const { logRequest } = requestLog
  const reader: RequestReader = {
    isTrusted: () => true,
    explainDistrust: () => '',
    clientAddressOf: () => '192.0.2.10',
    originalOf: ({ method = '', url = '' }) => ({ method, target: url, host: 'es.example.com' }),
  }
  const server = createServer(async (request, response) => {
    const context = new RequestContext(request, reader, 'id-7', performance.now())
    if (work) await work(request, response)
    write?.(response)
    logRequest(context, response, outcome)
    onLogged?.(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  stop = () => {
    server.closeAllConnections()
    server.close()
  }
}

const lines = (): Line[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
/** Resolves once that many lines are there; rejects where they do not come. */
const logged = (count = 1) =>
  new Promise<Line[]>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no line: ${JSON.stringify(text)}`)), 120_000)
    watch = () => {
      if (text.split('\n').length <= count) return
      clearTimeout(timer)
      resolve(lines())
    }
    watch()
  })

const arrival = (pattern: RegExp) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no line: ${JSON.stringify(text)}`)), 120_000)
    watch = () => {
      if (!pattern.test(text)) return
      clearTimeout(timer)
      resolve()
    }
    watch()
  })

async function ask(target = '/', headers: string[] = []) {
  const connection = openRaw(port)
  connection.send([`GET ${target} HTTP/1.1`, 'Host: es', 'Connection: close', ...headers, '', ''].join('\r\n'))
  await connection.closed
}

beforeEach(() => {
  text = ''
  watch = () => {}
})
afterEach(() => stop())

describe('one line per request', () => {
  test('a request is logged with field names of the Elastic Common Schema, and no others', async () => {
    await serve(answered)
    await ask('/_search')
    const [line] = await logged()
    const { '@timestamp': at, 'event.duration': duration, ...rest } = line!
    assert.ok(Math.abs(Date.parse(String(at)) - Date.now()) < 60_000)
    assert.ok(Number.isInteger(duration) && Number(duration) > 0 && Number(duration) < 60e9)
    assert.deepEqual(rest, {
      'log.level': 'info',
      'ecs.version': '8.17',
      'service.name': 'elastauth',
      'http.request.id': 'id-7',
      'http.request.method': 'GET',
      'url.domain': 'es.example.com',
      'url.path': '/_search',
      'http.response.status_code': 200,
      'client.ip': '192.0.2.10',
      'source.ip': '127.0.0.1',
      'user.name': 'bob',
      message: 'GET /_search 200',
    })
  })

  test('the id and the trace of the client are logged beside the id of elastauth', async () => {
    await serve(answered)
    await ask('/', ['X-Request-Id: client-1.A_b', `traceparent: 00-${traceId}-00f067aa0ba902b7-01`])
    const [line] = await logged()
    assert.equal(line?.['http.request.id'], 'id-7')
    assert.equal(line?.['labels.client_request_id'], 'client-1.A_b')
    assert.equal(line?.['trace.id'], traceId)
  })

  for (const [what, headers] of Object.entries({
    'a space': ['X-Request-Id: a b'],
    'a quote': ['X-Request-Id: a"b'],
    'a line break of another character set': ['X-Request-Id: a\x85b'],
    'more than 64 characters': [`X-Request-Id: ${'a'.repeat(65)}`],
    'no character': ['X-Request-Id:'],
    'another one beside it': ['X-Request-Id: a', 'x-request-id: b'],
    'an equal one beside it': ['X-Request-Id: a', 'X-Request-Id: a'],
  })) {
    test(`an X-Request-Id with ${what} is not logged`, async () => {
      await serve(answered)
      await ask('/', headers)
      const [line] = await logged()
      assert.equal(line?.['labels.client_request_id'], undefined)
      assert.equal(line?.['http.request.id'], 'id-7')
    })
  }

  for (const [what, headers] of Object.entries({
    'a wrong length': ['traceparent: 00-1-2-01'],
    'another one beside it': Array(2).fill(`traceparent: 00-${traceId}-00f067aa0ba902b7-01`),
  })) {
    test(`a traceparent with ${what} is not logged`, async () => {
      await serve(answered)
      await ask('/', headers)
      const [line] = await logged()
      assert.equal(line?.['trace.id'], undefined)
    })
  }

  for (const [name, work] of Object.entries({
    'a request with a synchronous response is logged once': undefined,
    'a request whose async handler waits for nothing is logged once': async () => {},
    'a request whose response comes later is logged once': () => new Promise(setImmediate),
  })) {
    test(name, async () => {
      await serve({ ...answered, ...(work && { work }) })
      await ask()
      const all = await logged()
      assert.deepEqual(
        all.map((line) => line['http.response.status_code']),
        [200],
      )
    })
  }

  test('a response that the kernel has accepted is logged at once, without adding listeners', async () => {
    const { promise: told, resolve: tell } = Promise.withResolvers<unknown>()
    const countListeners = (response: ServerResponse) =>
      response.listenerCount('finish') + response.listenerCount('close')
    let before = 0
    await serve({
      ...answered,
      async work(_request, response) {
        before = countListeners(response)
      },
      onLogged(response) {
        const statuses = lines().map((line) => line['http.response.status_code'])
        tell([response.writableFinished, statuses, countListeners(response) - before])
      },
    })
    await ask()
    assert.deepEqual(await told, [false, [200], 0])
  })

  test('a response that the client has not read yet is logged when it has been sent', async () => {
    const { promise: told, resolve: tell } = Promise.withResolvers<Line[]>()
    await serve({ write: (response) => response.end('x'.repeat(16 * 1024 * 1024)), onLogged: () => tell(lines()) })
    const connection = openRaw(port)
    connection.socket.pause()
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nConnection: close\r\n\r\n')
    assert.deepEqual(await told, [])
    connection.socket.resume()
    const [line] = await logged()
    assert.equal(line?.['http.response.status_code'], 200)
  })

  test('ten requests on one connection are logged on ten lines', async () => {
    await serve(answered)
    const connection = openRaw(port)
    for (let i = 0; i < 10; i++) connection.send(`GET /${i} HTTP/1.1\r\nHost: es\r\n\r\n`)
    const all = await logged(10)
    assert.deepEqual(
      all.map((line) => line['url.path']),
      Array.from({ length: 10 }, (_, i) => `/${i}`),
    )
    connection.socket.destroy()
  })
})

describe('a client that disconnects before the end of the response', () => {
  test('a client that disconnects before it has read a large response is logged as 499', async () => {
    await serve({ write: (response) => response.end('x'.repeat(16 * 1024 * 1024)) })
    const connection = openRaw(port)
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await connection.until(/200 OK/)
    connection.socket.destroy()
    const [line] = await logged()
    assert.equal(line?.['http.response.status_code'], 499)
  })

  test('a client whose reset is found by the write of the response is logged as 499, when the response closes', async () => {
    await serve(answered)
    const log = await createLog({
      level: 'info',
      format: 'json',
      destination: {
        write(line) {
          text += line
        },
      },
    })
    const socket = { errored: new Error('read ECONNRESET'), remoteAddress: '192.0.2.1' }
    const response = Object.assign(new EventEmitter(), {
      statusCode: 200,
      socket,
      writableLength: 0,
      writableEnded: true,
      writableFinished: false,
      destroyed: false,
    }) as unknown as ServerResponse
    const request = { method: 'GET', url: '/', headers: {}, socket } as unknown as IncomingMessage
    const reader: RequestReader = {
      isTrusted: () => true,
      explainDistrust: () => '',
      clientAddressOf: () => '192.0.2.10',
      originalOf: () => ({ method: 'GET', target: '/' }),
    }
    const context = new RequestContext(request, reader, 'id-8', performance.now())
    createRequestLog(log, { sampleHits: 1, excludePaths: [] }).logRequest(context, response, { username: 'bob' })
    assert.equal(text, '')
    response.emit('close')
    assert.equal(lines()[0]?.['http.response.status_code'], 499)
  })

  test('a client that disconnects during the response is logged as 499', async () => {
    await serve({ write: (response) => response.writeHead(200).write('half') })
    const connection = openRaw(port)
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await connection.until(/half/)
    connection.socket.destroy()
    const [line] = await logged()
    assert.equal(line?.['http.response.status_code'], 499)
    assert.match(String(line?.message), / 499$/)
  })

  test('a client that disconnects before the response, as when Elasticsearch is slow, is logged as 499 at once and only once', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    const { promise: done, resolve: finish } = Promise.withResolvers<Line[]>()
    await serve({
      ...answered,
      async work(_request, response) {
        arrive()
        await once(response, 'close')
      },
      onLogged: () => finish(lines()),
    })
    const connection = openRaw(port)
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    connection.socket.destroy()
    const statuses = (all: Line[]) => all.map((line) => line['http.response.status_code'])
    assert.deepEqual(statuses(await done), [499])
    await new Promise(setImmediate)
    assert.deepEqual(statuses(lines()), [499])
    assert.equal(lines()[0]?.['user.name'], 'bob')
  })

  test('a client that disconnects is not logged if the log level is warn', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    const { promise: done, resolve: finish } = Promise.withResolvers<void>()
    const work: Given['work'] = async (_request, response) => {
      arrive()
      await once(response, 'close')
    }
    await serve({ work, write: () => finish() }, { level: 'warn' })
    const connection = openRaw(port)
    connection.send('GET / HTTP/1.1\r\nHost: es\r\n\r\n')
    await arrived
    connection.socket.destroy()
    await done
    assert.equal(text, '')
  })
})

describe('errors', () => {
  for (const [code, { level, status }] of Object.entries(errorTable)) {
    test(`${code} is logged at level ${level}, with its detail and username`, async () => {
      await serve(refused(status, new GatewayError(code as ErrorCode, 'the private detail', { username: 'bob' })))
      await ask('/x')
      const [line] = await logged()
      assert.equal(line?.['log.level'], level)
      assert.equal(line?.['error.code'], code)
      assert.equal(line?.['user.name'], 'bob')
      assert.equal(line?.['http.response.status_code'], status)
      assert.equal(line?.message, `GET /x ${status} the private detail`)
      assert.equal(line?.['error.stack_trace'], undefined)
    })
  }

  test('an unexpected error is logged with its stack trace', async () => {
    await serve(refused(500, new GatewayError('internal', 'x', { cause: new TypeError('boom') })))
    await ask()
    const [line] = await logged()
    assert.match(String(line?.['error.stack_trace']), /^TypeError: boom\n +at /)
  })

  test('a successful request is not logged if the log level is warn', async () => {
    await serve(answered, { level: 'warn' })
    await ask()
    assert.equal(text, '')
  })

  test('a request rejected with 403 is logged if the log level is warn', async () => {
    await serve(refused(403, new GatewayError('user_foreign', 'x')), { level: 'warn' })
    await ask()
    assert.equal((await logged()).length, 1)
  })
})

describe('a health probe', () => {
  const probe: Given = { isProbe: true, write: (response) => response.writeHead(503).end() }

  test('a health probe is logged at level debug', async () => {
    await serve(probe, { level: 'debug' })
    await ask('/elastauth/ready')
    const [line] = await logged()
    assert.deepEqual([line?.['log.level'], line?.message], ['debug', 'GET /elastauth/ready 503'])
  })

  test('a health probe is not logged at level info', async () => {
    await serve(probe)
    await ask('/elastauth/ready')
    assert.equal(text, '')
  })

  test('a failed health probe is logged at the level of its error', async () => {
    await serve({ ...refused(405, new GatewayError('method_not_allowed', 'x')), isProbe: true })
    await ask('/elastauth/ready')
    assert.equal((await logged())[0]?.['error.code'], 'method_not_allowed')
  })
})

describe('a reload of the log', () => {
  test('a reload changes the level of all lines', async () => {
    await serve(answered)
    reload({ level: 'warn' })
    await ask('/a')
    reload({ level: 'info' })
    await ask('/b')
    assert.deepEqual(
      (await logged()).map((line) => line['url.path']),
      ['/b'],
    )
  })

  test('a reload to level debug shows health probes', async () => {
    await serve({ isProbe: true, write: (response) => response.end() })
    reload({ level: 'debug' })
    await ask('/elastauth/live')
    assert.equal((await logged())[0]?.['log.level'], 'debug')
  })

  test('a reload changes which requests are omitted', async () => {
    await serve(answered)
    reload({ excludePaths: ['/a'] })
    await ask('/a')
    reload({ excludePaths: ['/b'] })
    await ask('/b')
    await ask('/a')
    assert.deepEqual(
      (await logged()).map((line) => line['url.path']),
      ['/a'],
    )
  })
})

describe('omitted requests', () => {
  test('one of four successful requests is logged if log.sample_hits is 0.25', async () => {
    await serve(answered, { sampleHits: 0.25 })
    for (let i = 0; i < 8; i++) await ask(`/${i}`)
    const all = await logged(2)
    assert.deepEqual(
      all.map((line) => line['url.path']),
      ['/0', '/4'],
    )
  })

  test('an error is logged even if no successful request is', async () => {
    await serve(refused(401, new GatewayError('identity_missing', 'x')), { sampleHits: 0, excludePaths: ['/*'] })
    await ask('/a')
    assert.equal((await logged())[0]?.['error.code'], 'identity_missing')
  })

  for (const [what, path] of Object.entries({
    'the excluded path': '/api/status',
    'the excluded path with a query': '/api/status?v=/',

    'an excluded prefix': '/ui/a?b=/c',
  })) {
    test(`a successful request for ${what} is not logged`, async () => {
      await serve(answered, { excludePaths: ['/api/status', '/ui/*'] })
      await ask(path)
      await ask('/')
      assert.deepEqual(
        (await logged()).map((line) => line['url.path']),
        ['/'],
      )
    })
  }

  for (const path of [
    '/ui/../_search',
    '/ui/%2e%2e/_search',
    '/ui//_search',
    '/ui/..%2f_search',
    '/ui/\\_search',
    '/ui/;/../_search',
    '/ui/#/../_search',
    '/ui',
    '/api/status/',
    '/API/status',
  ]) {
    test(`a request for ${path} is logged, because it may be for another path than an excluded one`, async () => {
      await serve(answered, { excludePaths: ['/api/status', '/ui/*'] })
      await ask(path)
      await ask('/end')
      await arrival(/GET \/end 200/)
      assert.equal(lines().length, 2)
    })
  }
})

describe('the request log contains no secret', () => {
  const names = [
    'Authorization',
    'Cookie',
    'Remote-User',
    'Remote-Groups',
    'Remote-Email',
    'Remote-Name',
    'X-Elastauth-Proxy-Secret',
    'X-Forwarded-For',
    'X-Forwarded-Uri',
    'X-Forwarded-Host',
    'X-Original-Url',
    'X-Request-Id',
    'X-Correlation-Id',
    'Traceparent',
    'User-Agent',
    'Referer',
    'Accept',
    'es-secondary-authorization',
    'Proxy-Authorization',
    'X-Api-Key',
  ]
  const headers = names.map((name, i) => `${name}: SECRET-${i}=`) // X-Request-Id is logged if it is valid, which `=` prevents

  for (const format of ['json', 'text'] as const) {
    for (const [what, given] of Object.entries<Given>({
      'a successful request': answered,
      'a rejected request': refused(401, new GatewayError('identity_missing', 'missing authentication headers')),
      'a failed request': refused(500, new GatewayError('internal', 'x', { cause: new Error('x') })),
    })) {
      test(`${what} is logged as ${format} without its headers, cookies, query or body`, async () => {
        await serve(given, { format, level: 'trace' })
        await ask('/path?token=SECRET-query', headers)
        await arrival(/\/path/)
        assert.doesNotMatch(text, /SECRET/)
      })
    }
  }
})

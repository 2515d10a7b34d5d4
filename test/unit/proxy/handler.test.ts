import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import type { AuthenticatedUser } from '../../../src/auth/authenticate.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createProxyHandler } from '../../../src/proxy/handler.ts'
import type { PreparedRequest } from '../../../src/proxy/prepare-request.ts'
import type { ProxyRoute, Routing } from '../../../src/proxy/routing/routing.ts'
import { createPickUpstream, type Upstream } from '../../../src/proxy/routing/upstreams.ts'
import { contextOf } from '../../support/request-context.ts'

/** What an upstream does with a request: responds with a status, or fails with an error. */
type Outcome = number | 'closes the reused connection' | 'refuses the connection' | 'no file descriptor is left'

type Row = Readonly<{
  name: string
  outcomes: readonly Outcome[]
  /** For each attempt: the upstream (a and b are healthy, c is not), `new` for a new connection, and the credential. */
  attempts: readonly string[]
  /** The status of the response, or the code of the error. */
  ends: number | string
  /** Whether a replacement for the credential is available. True unless given. */
  canReissue?: boolean
  hasBody?: boolean
  isPublic?: boolean
  reissues?: number
}>

const rows: readonly Row[] = [
  { name: 'a complete response', outcomes: [200], attempts: ['a first'], ends: 200 },
  {
    name: 'a reused connection that closes',
    outcomes: ['closes the reused connection', 200],
    attempts: ['a first', 'a new first'],
    ends: 200,
  },
  {
    name: 'an upstream that refuses the connection',
    outcomes: ['refuses the connection', 200],
    attempts: ['a first', 'b first'],
    ends: 200,
  },
  {
    name: 'three upstreams that refuse the connection',
    outcomes: ['refuses the connection', 'refuses the connection', 'refuses the connection'],
    attempts: ['a first', 'b first', 'c first'],
    ends: 'upstream_unavailable',
  },
  {
    name: 'a reused connection that closes, and an upstream that refuses the new one',
    outcomes: ['closes the reused connection', 'refuses the connection', 200],
    attempts: ['a first', 'a new first', 'b new first'],
    ends: 200,
  },
  {
    name: 'elastauth without file descriptors',
    outcomes: ['no file descriptor is left'],
    attempts: ['a first'],
    ends: 'overloaded',
  },
  {
    name: 'a rejected credential',
    outcomes: [401, 200],
    attempts: ['a first', 'a second'],
    ends: 200,
    reissues: 1,
  },
  {
    name: 'a rejected credential without a replacement',
    outcomes: [401],
    attempts: ['a first'],
    ends: 401,
    canReissue: false,
    reissues: 1,
  },
  {
    name: 'a credential that is rejected again after it was replaced',
    outcomes: [401, 401],
    attempts: ['a first', 'a second'],
    ends: 401,
    reissues: 1,
  },
  {
    name: 'an upstream that refuses the connection, and a rejected credential',
    outcomes: ['refuses the connection', 401, 'closes the reused connection', 200],
    attempts: ['a first', 'b first', 'b second', 'b new second'],
    ends: 200,
    reissues: 1,
  },
  {
    name: 'a rejected credential, and an upstream that refuses the connection',
    outcomes: [401, 'refuses the connection', 401],
    attempts: ['a first', 'a second', 'b second'],
    ends: 401,
    reissues: 1,
  },
  {
    name: 'a rejected credential of a request with a body',
    outcomes: [401],
    attempts: ['a first'],
    ends: 401,
    hasBody: true,
    reissues: 1,
  },
  {
    name: 'a 401 response on a route without authentication',
    outcomes: [401],
    attempts: ['a none'],
    ends: 401,
    isPublic: true,
  },
]

describe('failover and repair of a forwarded request', () => {
  for (const { name, outcomes, attempts, ends, reissues = 0, ...options } of rows) {
    test(`${name} leads to the attempts ${attempts.join(', ')}, and ends with ${ends}`, async () => {
      const bed = createTestBed(outcomes, options)
      assert.equal(await bed.proxyRequest(), ends)
      assert.deepEqual(bed.attempts, attempts)
      assert.equal(bed.reissues(), reissues)
    })
  }

  test('upstreams that refuse the connection are reported as unhealthy, and the one that responds as healthy', async () => {
    const bed = createTestBed(['refuses the connection', 401, 200])
    await bed.proxyRequest()
    assert.deepEqual(bed.health, ['a unhealthy', 'b healthy', 'b healthy'])
  })

  test('an upstream is not reported as unhealthy if elastauth has no file descriptor left, and the client connection closes', async () => {
    const bed = createTestBed(['no file descriptor is left'])
    await bed.proxyRequest()
    assert.deepEqual(bed.health, [])
    assert.equal(bed.response.shouldKeepAlive, false)
  })
})

function createTestBed(outcomes: readonly Outcome[], options: Pick<Row, 'canReissue' | 'hasBody' | 'isPublic'> = {}) {
  const { canReissue = true, hasBody = false, isPublic = false } = options
  const remaining = [...outcomes]
  const attempts: string[] = []
  const health: string[] = []
  let reissues = 0
  const upstreams = ['a', 'b', 'c'].map((name) =>
    createUpstream(name, (attempt) => {
      attempts.push(attempt)
      const outcome = remaining.shift()
      assert.ok(outcome !== undefined, `an unexpected attempt: ${attempt}`)
      return outcome
    }),
  )
  const pickUpstream = createPickUpstream()
  pickUpstream(upstreams, new Set())
  pickUpstream(upstreams, new Set()) // the next pick is `a`
  const routing: Partial<Routing> = {
    pickUpstream,
    reportHealth: ({ url }, isHealthy) => void health.push(`${url.hostname} ${isHealthy ? 'healthy' : 'unhealthy'}`),
    timeoutMs: 1000,
    clientTimeoutMs: 1000,
  }
  const user = { identity: { username: 'bob' }, credential: { authorization: 'first' } } as AuthenticatedUser
  const prepared: PreparedRequest = {
    route: { upstreams } as unknown as ProxyRoute,
    path: '/',
    identity: isPublic ? undefined : user.identity,
    authenticated: isPublic ? undefined : user,
    buildHeaders: (authorization = 'none') => ['authorization', authorization],
  }
  const proxyRequest = createProxyHandler(async () => prepared, {
    routing: routing as Routing,
    buildResponseHeaders: () => [],
    reissue: async () => {
      reissues++
      return canReissue ? { authorization: 'second' } : undefined
    },
    reissueInBackground: () => {
      reissues++
    },
  })
  const request = createRequest(hasBody)
  const response = createResponse(request)
  return {
    attempts,
    health,
    response,
    reissues: () => reissues,
    /** The status of the response, or the code of the error. */
    async proxyRequest(): Promise<number | string> {
      try {
        const { stream } = await proxyRequest(contextOf(request, false))
        await stream(response)
        return response.statusCode
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        return error.code
      }
    },
  }
}

function createUpstream(name: string, takeOutcome: (attempt: string) => Outcome): Upstream {
  const upstream: Partial<Upstream> = {
    url: new URL(`http://${name}:9200`),
    isHealthy: () => name !== 'c',
    inFlight: () => 0,
    trackRequest: () => () => {},
    dispatch({ headers, onNewConnection }, handler) {
      const outcome = takeOutcome(`${name} ${onNewConnection ? 'new ' : ''}${headers[1]}`)
      const controller = { rawHeaders: [], pause() {}, resume() {}, abort() {} } as never
      if (outcome === 'refuses the connection') {
        handler.onResponseError!(controller, connectionError('ECONNREFUSED'))
      } else if (outcome === 'no file descriptor is left') {
        handler.onResponseError!(controller, connectionError('EMFILE'))
      } else {
        handler.onRequestStart!(controller, {})
        if (typeof outcome === 'number') {
          handler.onResponseStart!(controller, outcome, {})
          handler.onResponseEnd!(controller, {})
        } else handler.onResponseError!(controller, connectionError('UND_ERR_SOCKET'))
      }
    },
  }
  return upstream as Upstream
}

function connectionError(code: string): Error {
  return Object.assign(new Error(code), { code, socket: { bytesRead: 1 } })
}

function createRequest(hasBody: boolean): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  const headers = { host: 'gateway', ...(hasBody && { 'content-length': '1' }) }
  request.method = hasBody ? 'POST' : 'GET'
  request.url = '/'
  request.httpVersion = '1.1'
  request.headers = headers
  request.rawHeaders = Object.entries(headers).flat()
  if (hasBody) request.push('x')
  request.push(null)
  return request
}

/** A response that closes after it was sent, as Node's server does. */
function createResponse(request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request)
  const wire = new Writable({ write: (_chunk, _encoding, done) => done() })
  response.assignSocket(wire as Socket)
  response.on('finish', () => response.emit('close'))
  return response
}

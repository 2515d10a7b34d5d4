import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Answer, StreamedAnswer, Upgrade } from './answer.ts'
import type { AnswerError } from './error-answer.ts'
import { asGatewayError, type ErrorCode, type GatewayError } from './errors.ts'
import { checkHeaderCount } from './header-count.ts'
import type { Metrics } from './metrics.ts'
import { createRefuse } from './refuse.ts'
import { createRequestId } from './request-id.ts'
import type { LogRequest, Outcome } from './request-log.ts'
import { type Mode, type Pages, route } from './route.ts'
import { createOnUpgrade } from './upgrades.ts'

/** What answers requests. A reload of the configuration replaces it as one, so no request sees half of each. */
export type Front = Readonly<{
  /** The mode: everything outside `/elastauth/`. */
  handle: Mode
  /** The right to become something other than HTTP, for those that ask for it and `isUpgrade` accepts. */
  upgrade?: (request: IncomingMessage) => Promise<Upgrade>
  pages: Pages
  answerError: AnswerError
}>

export type ServerOptions = Readonly<{
  front: () => Front
  logRequest: LogRequest
  /** What happens before there is a request, such as one that is no HTTP. */
  logFault: (code: ErrorCode, address: string | undefined, error?: unknown) => void
  metrics: Metrics
  /** How long a whole request may take to arrive, in milliseconds; 0 for any time. Node's own limit where absent. */
  requestTimeout?: number
  /** Connections beyond this many are closed at once. */
  maxConnections?: number
  /** Requests that go to `front.upgrade`; none where absent. */
  isUpgrade?: (request: IncomingMessage) => boolean
}>

export type GatewayServer = Readonly<{
  /** Rejects when the address cannot be had. */
  listen: (host: string | undefined, port: number) => Promise<AddressInfo>
  /** Stops accepting, lets what is under way finish for at most `patience` milliseconds, and cuts the rest. */
  close: (patience: number) => Promise<void>
}>

const limits = {
  /** All headers of a request together, in bytes: what proxies send at the most, cookies of many services included. */
  maxHeaderSize: 64 * 1024,
  /** Longer than the idle time of the callers' connection pools (Traefik 90 s, Caddy 120 s): they close first, so no request meets a closing connection. */
  keepAliveTimeout: 125_000,
  headersTimeout: 20_000,
} as const
const nodeRequestTimeout = 300_000

export function createServer(options: ServerOptions): GatewayServer {
  const { front, logRequest, logFault, metrics, isUpgrade = () => false } = options
  const nextId = createRequestId()
  const { requestTimeout = nodeRequestTimeout } = options
  const server = createHttpServer({ ...limits, requestTimeout, shouldUpgradeCallback: isUpgrade }, listener)
  server.maxHeadersCount = 0 // Node would drop the rest in silence; we count them ourselves
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  // Who waits for our word before sending a body may get its answer without one. Node then closes the connection: a body may still come or not.
  server.on('checkContinue', listener).on('checkExpectation', listener)
  const onUpgrade = createOnUpgrade(options, nextId, ended)
  server.on('upgrade', (request, stream, head) => void onUpgrade(request, stream as Socket, head))
  const { refuse, refuseFaulty } = createRefuse(options, nextId)
  server.on('connect', (_request, stream) => refuse(stream as Socket, 'payload_invalid')) // nobody's way to other hosts
  server.on('clientError', (error, stream) => refuseFaulty(error, stream as Socket))

  async function listener(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await onRequest(request, response)
    } catch (error) {
      logFault('internal', request.socket.remoteAddress, error)
      response.destroy()
    }
  }

  async function onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    const { handle, pages, answerError } = front()
    metrics.requestStarted()
    let answer: Answer | StreamedAnswer
    let username: string | undefined
    let error: GatewayError | undefined
    try {
      checkHeaderCount(request)
      const answering = route(request, handle, pages)(request)
      answer = answering instanceof Promise ? await answering : answering
      username = answer.username
      if ('stream' in answer) {
        if (!server.listening) response.shouldKeepAlive = false
        await answer.stream(response)
      }
    } catch (thrown) {
      // The only catch: every error of a request ends here.
      error = asGatewayError(thrown)
      metrics.failed(error.code)
      answer = answerError(request, error, requestId)
      if (response.headersSent) return cutShort(request, response, { requestId, startedAt, username, error })
    }
    logRequest(request, response, { requestId, startedAt, username, error })
    if ('stream' in answer) return ended(request, response.statusCode, startedAt)
    if (!server.listening || error?.code === 'payload_invalid') response.shouldKeepAlive = false
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body) // Node leaves the body out of an answer to HEAD
    // nginx counts a client that has left as 499
    ended(request, response.destroyed ? 499 : answer.status, startedAt)
  }

  function ended({ method = '' }: IncomingMessage, status: number, startedAt: number): void {
    metrics.requestEnded(method, status, (performance.now() - startedAt) / 1000)
    // What began before we were told to close has no `Connection: close` in its answer.
    if (!server.listening) setImmediate(() => server.closeIdleConnections())
  }

  /** What is out cannot be taken back, and to end it in good order would make half an answer look whole. */
  function cutShort(request: IncomingMessage, response: ServerResponse, outcome: Outcome): void {
    const status = outcome.error?.code === 'client_closed' ? 499 : response.statusCode
    response.destroy()
    logRequest(request, response, { ...outcome, status })
    ended(request, status, outcome.startedAt)
  }

  async function close(patience: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeIdleConnections()
    const timer = setTimeout(() => server.closeAllConnections(), patience)
    await closed
    clearTimeout(timer)
  }

  return Object.freeze({
    listen: (host, port) => listen(server, host, port),
    close,
  })
}

function listen(server: Server, host: string | undefined, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  server.once('error', reject)
  server.listen({ host, port }, () => {
    server.off('error', reject)
    resolve(server.address() as AddressInfo)
  })
  return promise
}

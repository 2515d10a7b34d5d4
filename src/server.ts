import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type Answer, rawAnswer, type StreamedAnswer, type Upgrade } from './answer.ts'
import type { AnswerError } from './error-answer.ts'
import { asGatewayError, type ErrorCode, errorTable, GatewayError } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { createRequestId } from './request-id.ts'
import type { LogRequest, Outcome } from './request-log.ts'
import { type Mode, type Pages, route } from './route.ts'

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
const maxHeaderCount = 500
/** How long a client may take to read why it was refused, in milliseconds. */
const lingering = 1000

export function createServer(options: ServerOptions): GatewayServer {
  const { front, logRequest, logFault, metrics, isUpgrade = () => false } = options
  const nextId = createRequestId()
  const { requestTimeout = nodeRequestTimeout } = options
  const server = createHttpServer({ ...limits, requestTimeout, shouldUpgradeCallback: isUpgrade }, listener)
  server.maxHeadersCount = 0 // Node would drop the rest in silence; we count them ourselves
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  // Who waits for our word before sending a body may get its answer without one. Node then closes the connection: a body may still come or not.
  server.on('checkContinue', listener).on('checkExpectation', listener)
  server.on('upgrade', (request, stream, head) => void onUpgrade(request, stream as Socket, head))
  server.on('connect', (_request, stream) => refuse(stream as Socket, 'payload_invalid')) // nobody's way to other hosts
  server.on('clientError', onClientError)

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

  async function onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    const { upgrade, answerError } = front()
    socket.on('error', () => {}) // a reset is a close too
    metrics.requestStarted()
    let username: string | undefined
    let error: GatewayError | undefined
    let status: number
    const refuseUpgrade = (failure: GatewayError) => {
      if (socket.writable) socket.write(rawAnswer(answerError(request, failure, requestId)))
    }
    try {
      checkHeaderCount(request)
      const admitted = await upgrade!(request)
      username = admitted.username
      status = await admitted.tunnel(socket, head, refuseUpgrade)
    } catch (thrown) {
      error = asGatewayError(thrown)
      status = errorTable[error.code].status
      metrics.failed(error.code)
      refuseUpgrade(error)
      socket.destroySoon()
    }
    logRequest(request, undefined, { requestId, startedAt, username, error, status })
    ended(request, status, startedAt)
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const code = clientErrorCodes[error.code ?? ''] ?? 'payload_invalid'
    if (error.code === 'ECONNRESET') socket.destroy()
    if (!socket.writable) return // gone, or answered already: every further chunk is an error too
    refuse(socket, code)
  }

  /** For what is no request, or none for us: there is no response object for it. */
  function refuse(socket: Socket, code: ErrorCode): void {
    metrics.failed(code)
    logFault(code, socket.remoteAddress)
    const answer = front().answerError({ headers: {} }, new GatewayError(code, code), nextId())
    // Closed at once, with bytes of the client's still unread, TCP would reset the connection and the answer be lost.
    socket.end(rawAnswer(answer)).resume()
    const cut = setTimeout(() => socket.destroy(), lingering)
    socket.once('close', () => clearTimeout(cut))
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

const clientErrorCodes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

function checkHeaderCount({ rawHeaders }: IncomingMessage): void {
  if (rawHeaders.length > 2 * maxHeaderCount)
    throw new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
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

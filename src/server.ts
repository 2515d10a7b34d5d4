import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type Answer, rawAnswer } from './answer.ts'
import type { AnswerError } from './error-answer.ts'
import { asGatewayError, type ErrorCode, GatewayError } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { createRequestId } from './request-id.ts'
import type { LogRequest } from './request-log.ts'
import { type Handler, type Pages, route } from './route.ts'

/** What answers requests. A reload of the configuration replaces it as one, so no request sees half of each. */
export type Front = Readonly<{
  /** The mode: everything outside `/elastauth/`. */
  handle: Handler
  pages: Pages
  answerError: AnswerError
}>

export type ServerOptions = Readonly<{
  front: () => Front
  logRequest: LogRequest
  /** What happens before there is a request, such as one that is no HTTP. */
  logFault: (code: ErrorCode, address: string | undefined, error?: unknown) => void
  metrics: Metrics
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
const maxHeaderCount = 500
/** How long a client may take to read why it was refused, in milliseconds. */
const lingering = 1000

export function createServer({ front, logRequest, logFault, metrics }: ServerOptions): GatewayServer {
  const nextId = createRequestId()
  const server = createHttpServer(limits, listener)
  server.maxHeadersCount = 0 // Node would drop the rest in silence; we count them ourselves
  // No body is ever read, so a client that waits for our word before sending one gets its answer at once.
  server.on('checkContinue', listener).on('checkExpectation', listener)
  server.on('connect', (_request, socket: Socket) => refuse(socket, 'method_not_allowed'))
  server.on('clientError', onClientError)

  function listener(request: IncomingMessage, response: ServerResponse): void {
    onRequest(request, response).catch((error) => {
      logFault('internal', request.socket.remoteAddress, error)
      response.destroy()
    })
  }

  async function onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    const { handle, pages, answerError } = front()
    metrics.requestStarted()
    let answer: Answer
    let error: GatewayError | undefined
    try {
      checkHeaderCount(request)
      answer = await route(request, handle, pages)(request)
    } catch (thrown) {
      // The only catch: every error of a request ends here.
      error = asGatewayError(thrown)
      answer = answerError(request, error, requestId)
      metrics.failed(error.code)
    }
    logRequest(request, response, { requestId, startedAt, username: answer.username, error })
    if (!server.listening) response.shouldKeepAlive = false // we are closing
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body) // Node leaves the body out of an answer to HEAD
    const status = response.destroyed ? 499 : answer.status // as nginx counts a client that has left
    metrics.requestEnded(request.method ?? '', status, (performance.now() - startedAt) / 1000)
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

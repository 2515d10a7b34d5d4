import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { asGatewayError, type ErrorCode, GatewayError } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { createRequestId } from './request-id.ts'
import type { LogRequest } from './request-log.ts'
import { rawErrorResponse, type SendError } from './send-error.ts'

/** Answers a request, and says whose it was. Throws GatewayError; nothing may have been sent then. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<{ username?: string } | undefined>

/** What answers requests. A reload of the configuration replaces it as one, so no request sees half of each. */
export type Front = Readonly<{
  /** The mode: everything outside `/elastauth/`. */
  handle: Handler
  /** Our own pages, by the exact path under which each is found. */
  pages: ReadonlyMap<string, Handler>
  sendError: SendError
}>

export type ServerOptions = Readonly<{
  front: () => Front
  logRequest: LogRequest
  /** What happens before there is a request, such as one that is no HTTP. */
  logFault: (code: ErrorCode, address: string | undefined) => void
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

export function createServer({ front, logRequest, logFault, metrics }: ServerOptions): GatewayServer {
  const nextId = createRequestId()
  const server = createHttpServer(limits, onRequest)
  server.maxHeadersCount = 0 // Node would drop the rest in silence; we count them ourselves
  // No body is ever read, so a client that waits for our word before sending one gets its answer at once.
  server.on('checkContinue', onRequest)
  server.on('clientError', onClientError)

  /** The only catch: every error of a request ends here. */
  async function onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    const requestId = nextId()
    metrics.requestStarted()
    if (!server.listening) response.shouldKeepAlive = false
    const { handle, pages, sendError } = front()
    let username: string | undefined
    let error: GatewayError | undefined
    try {
      checkHeaderCount(request)
      username = (await route(request, handle, pages)(request, response))?.username
    } catch (thrown) {
      error = asGatewayError(thrown)
      sendError(request, response, error, requestId)
      metrics.failed(error.code)
    }
    logRequest(request, response, { requestId, startedAt, username, error })
    metrics.requestEnded(request.method ?? '', response.statusCode, (performance.now() - startedAt) / 1000)
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const code = clientErrorCodes[error.code ?? ''] ?? 'payload_invalid'
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    metrics.failed(code)
    logFault(code, socket.remoteAddress)
    socket.end(rawErrorResponse(code, nextId()))
  }

  return Object.freeze({
    listen: (host, port) => listen(server, host, port),
    close: (patience) => close(server, patience),
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

/** Throws GatewayError not_found, method_not_allowed. */
function route({ url = '/', method }: IncomingMessage, handle: Handler, pages: Front['pages']): Handler {
  const path = ownPath(url)
  if (path === undefined) return handle
  const page = pages.get(path)
  if (page === undefined) throw new GatewayError('not_found', 'no such page of elastauth’s own')
  if (method !== 'GET' && method !== 'HEAD') throw new GatewayError('method_not_allowed', 'only GET and HEAD')
  return page
}

const ownPrefix = '/elastauth/'

/** The path under `/elastauth/`, decoded once, or undefined when it is the mode's. Nothing is normalised: `/x/../elastauth/` is not ours. */
function ownPath(url: string): string | undefined {
  // Every request comes by here; few hold a `%`, and decoding costs.
  if (!url.startsWith(ownPrefix) && !url.includes('%')) return undefined
  const end = url.search(/[?#]/)
  try {
    const path = decodeURIComponent(end === -1 ? url : url.slice(0, end))
    return path.startsWith(ownPrefix) ? path : undefined
  } catch {
    return undefined
  }
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

async function close(server: Server, patience: number): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), patience)
  await closed
  clearTimeout(timer)
}

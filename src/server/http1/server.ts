import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { type ErrorCode, GatewayError } from '../../http/errors.ts'
import { http1Limits, maxHeaderCount } from '../listen/limits.ts'
import type { ListenerHandle, ListenerHandlers, RequestTimeouts } from '../listen/listener.ts'
import { trackSockets } from '../listen/open-sockets.ts'
import { Connection } from './connection.ts'
import { createMessageClasses, DroppedRequest } from './pipelining-limit.ts'
import { UpgradeResponse } from './upgrade-response.ts'

const clientErrorCodes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/**
 * HTTP/1.1, with or without TLS. Passes the events of Node's server to the connection they belong to.
 * @param create creates Node's server with these options
 */
export function createHttp1Server<NodeServer extends Server>(
  { onRequest, isUpgrade, renderInvalid }: ListenerHandlers,
  timeouts: RequestTimeouts,
  create: (options: ServerOptions) => NodeServer,
): ListenerHandle & Readonly<{ server: NodeServer }> {
  const connections = new Map<Socket, Connection>()
  let isClosing = false
  const server = create({
    ...http1Limits,
    ...createMessageClasses((socket) => connectionOf(socket).dropRequest()),
    requestTimeout: timeouts.requestMs,
    requireHostHeader: false,
    // Most requests have no body. Their streams then emit no events, not even `close`.
    optimizeEmptyRequests: true,
    // A pipelined upgrade is handled as an ordinary request, because the tunnel's bytes would overtake the pending
    // responses.
    shouldUpgradeCallback: (request: IncomingMessage) =>
      !(request instanceof DroppedRequest) && isUpgrade(request) && connectionOf(request.socket).state === 'idle',
  })
  const sockets = trackSockets(server)
  // Node silently drops headers beyond this number, so one more than allowed is kept to detect and reject the request.
  // Without a limit, 64 KiB could contain 10,000 headers, which occupy ten times as much memory.
  server.maxHeadersCount = maxHeaderCount + 1
  // Requests with `Expect` are handled like any other: elastauth may send the final response without `100 Continue`.
  // Node then closes the connection, because it cannot know whether the client will still send the body.
  server.on('request', onRequestHead).on('checkContinue', onRequestHead).on('checkExpectation', onRequestHead)
  server.on('upgrade', (request, stream, head) => {
    connections.delete(request.socket) // HTTP/1.1 ends here
    onRequest(request, new UpgradeResponse(request, stream as Socket, head), faultOf(request))
  })
  server.on('connect', ({ socket }) => {
    connectionOf(socket).connectArrived(() => renderInvalid('payload_invalid', socket)) // elastauth is not a forward proxy
  })
  server.on('clientError', onClientError)

  function connectionOf(socket: Socket): Connection {
    const existing = connections.get(socket)
    if (existing !== undefined) return existing
    const connection = new Connection(socket)
    connections.set(socket, connection)
    socket.on('close', onSocketClose)
    return connection
  }

  function onSocketClose(this: Socket): void {
    connections.get(this)?.closed()
    connections.delete(this)
    closeIdleSoon()
  }

  function onRequestHead(request: IncomingMessage, response: ServerResponse): void {
    if (request instanceof DroppedRequest) return
    connectionOf(request.socket).requestArrived(response)
    response.on('close', onResponseClose)
    onRequest(request, response, faultOf(request))
  }

  function onResponseClose(this: ServerResponse): void {
    connections.get(this.req.socket)?.responseClosed(this, timeouts.drainMs, closeIdleSoon)
    closeIdleSoon()
  }

  function onClientError(error: NodeJS.ErrnoException, stream: unknown): void {
    const socket = stream as Socket
    if (error.code === 'ECONNRESET') return void socket.destroy()
    const code = clientErrorCodes[error.code ?? ''] ?? 'payload_invalid'
    connectionOf(socket).failed(() => renderInvalid(code, socket))
  }

  /** A response that began before the shutdown has no `Connection: close`, so its connection has to be closed here. */
  function closeIdleSoon(): void {
    if (isClosing) setImmediate(closeIdle)
  }

  /**
   * Does nothing while a connection has unsent bytes: Node considers a connection idle as soon as its response has
   * ended, and would destroy it before all bytes have been sent. This does not delay the shutdown, because idle
   * connections are closed again when a response or a connection has closed.
   */
  function closeIdle(): void {
    if (!connections.values().some(({ hasUnsentBytes }) => hasUnsentBytes)) server.closeIdleConnections()
  }

  return Object.freeze({
    server,
    close() {
      isClosing = true
      const { promise, resolve } = Promise.withResolvers<void>()
      // `http.Server.close` would destroy connections with unsent bytes. When all connections have closed, it stops the
      // timer with which Node checks for request timeouts.
      NetServer.prototype.close.call(server, () => server.close(() => resolve()))
      sockets.destroyUnused()
      closeIdle()
      return promise
    },
    destroyConnections: sockets.destroyAll,
  })
}

/** Node could reject a missing Host header (RFC 9112, section 3.2) itself, but without a log line. */
function faultOf({ rawHeaders, headers, httpVersion }: IncomingMessage): GatewayError | undefined {
  if (rawHeaders.length > 2 * maxHeaderCount)
    return new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
  if (headers.host === undefined && httpVersion === '1.1') return new GatewayError('payload_invalid', 'no Host header')
  return undefined
}

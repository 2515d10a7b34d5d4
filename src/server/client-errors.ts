import type { Socket } from 'node:net'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import { serializeResponse } from '../http/response.ts'
import { lingerTimeoutMs } from './listen/limits.ts'
import type { ServerOptions } from './options.ts'

const clientErrorCodes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/** Rejects invalid HTTP and CONNECT requests, for which Node creates no response object. */
export function createClientErrorHandlers(
  { handlers, logFault, metrics }: Pick<ServerOptions, 'handlers' | 'logFault' | 'metrics'>,
  nextRequestId: () => string,
) {
  /** Sends an error response and closes the connection. */
  function reject(socket: Socket, code: ErrorCode): void {
    metrics.failed(code)
    logFault(code, socket.remoteAddress)
    socket.on('error', () => {}) // `close` follows
    const response = handlers().renderError({ headers: {} }, new GatewayError(code, code), nextRequestId())
    // Closing a connection while the client's bytes are unread makes TCP reset it, and the response might be lost.
    socket.end(serializeResponse(response)).resume()
    const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs)
    socket.once('close', () => clearTimeout(timer))
  }

  /** Listener for the server's `clientError` event. */
  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET') socket.destroy()
    if (!socket.writable) return // closed, or already rejected: after an invalid request, Node reports each further chunk as an error too
    reject(socket, clientErrorCodes[error.code ?? ''] ?? 'payload_invalid')
  }

  return Object.freeze({ reject, onClientError })
}

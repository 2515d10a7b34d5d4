import type { Socket } from 'node:net'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import { serializeResponse } from '../http/response.ts'
import type { ServerOptions } from './options.ts'

/** How long a client may take to read why it was refused, in milliseconds. */
const lingering = 1000

const clientErrorCodes: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/** Turns away what is no request, or none for us: there is no response object for it. */
export function createClientErrorHandlers(
  { handlers, logFault, metrics }: Pick<ServerOptions, 'handlers' | 'logFault' | 'metrics'>,
  nextId: () => string,
) {
  function reject(socket: Socket, code: ErrorCode): void {
    metrics.failed(code)
    logFault(code, socket.remoteAddress)
    socket.on('error', () => {}) // a reset is a close too
    const answer = handlers().renderError({ headers: {} }, new GatewayError(code, code), nextId())
    // Closed at once, with bytes of the client's still unread, TCP would reset the connection and the answer be lost.
    socket.end(serializeResponse(answer)).resume()
    const cut = setTimeout(() => socket.destroy(), lingering)
    socket.once('close', () => clearTimeout(cut))
  }

  /** For the server's `clientError`. */
  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET') socket.destroy()
    if (!socket.writable) return // gone, or answered already: every further chunk is an error too
    reject(socket, clientErrorCodes[error.code ?? ''] ?? 'payload_invalid')
  }

  return Object.freeze({ reject, onClientError })
}

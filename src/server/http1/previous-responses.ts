import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../../http/errors.ts'

/**
 * Waits until the responses to earlier requests on the same connection have been sent, because Node delivers pipelined
 * requests without waiting. Processing them concurrently could reverse two writes (RFC 9112, section 9.3.2), and a
 * request could be forwarded with a session that was revoked while the request waited. Rejects with GatewayError
 * client_closed if the response cannot be sent any more: Node also delivers requests that follow the last one on a
 * connection, and they must not be processed (RFC 9112, section 9.6).
 * @returns undefined if there is nothing to wait for
 */
export function waitForPreviousResponses(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | undefined {
  const { socket } = request
  if (socket.writableEnded || socket.destroyed) return Promise.reject(connectionEnded())
  if (response.socket !== null) return undefined
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = () => reject(connectionEnded())
  request.once('close', onClose)
  // Node assigns the socket to a response when the earlier responses have been sent.
  response.once('socket', () => {
    request.off('close', onClose)
    resolve()
  })
  return promise
}

function connectionEnded(): GatewayError {
  return new GatewayError(
    'client_closed',
    'the connection ended before the responses to earlier requests had been sent',
  )
}

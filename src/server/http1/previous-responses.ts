import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../../http/errors.ts'

/**
 * Waits until the responses to the earlier requests of this connection have been sent. Node delivers pipelined requests
 * at once. Processing them concurrently could reverse the order of two writes (RFC 9112, section 9.3.2), let one
 * connection start any number of requests, and authenticate a request long before it is forwarded, with a session that
 * has been revoked since. Rejects with GatewayError client_closed if the response cannot be sent any more: Node also
 * delivers requests after the last one of a connection, and those must not be processed (RFC 9112, section 9.6).
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

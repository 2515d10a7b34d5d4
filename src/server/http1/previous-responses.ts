import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../../http/errors.ts'

/**
 * Waits until the responses to the earlier requests of this connection have been sent. Node delivers pipelined requests at once.
 * Processing them concurrently could reverse the order of two writes (RFC 9112, 9.3.2), let one connection start any number of
 * requests, and authenticate a request long before it is forwarded, with a session that has ended since.
 * Rejects with GatewayError client_closed where none will go out any more: Node reads on behind
 * a request whose answer is the connection's last, and what it finds there must not be processed (RFC 9112, 9.6).
 * Undefined where there is nothing to wait for.
 */
export function waitForPreviousResponses(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | undefined {
  const { socket } = request
  if (socket.writableEnded || socket.destroyed) return Promise.reject(overtaken())
  if (response.socket !== null) return undefined
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = () => reject(overtaken())
  request.once('close', onClose)
  // Node gives a response its connection when its turn has come.
  response.once('socket', () => {
    request.off('close', onClose)
    resolve()
  })
  return promise
}

function overtaken(): GatewayError {
  return new GatewayError('client_closed', 'the connection ended before the turn of this request')
}

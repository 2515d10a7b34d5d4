import type { IncomingMessage } from 'node:http'

/**
 * Reads and discards the rest of a body after the response, so that the client can read the response. The time is
 * limited: without a limit, an unauthenticated client could keep a connection open indefinitely.
 * @param timeoutMs for the whole rest; then the connection is destroyed
 */
export function drainBody(request: IncomingMessage, timeoutMs: number): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  request.resume() // Node does so only if nothing has read from the body
  const timer = setTimeout(() => request.destroy(), timeoutMs)
  const stop = () => {
    clearTimeout(timer)
    socket.off('close', stop)
  }
  // After the response, Node does not tell the request that its connection has closed.
  request.once('end', stop)
  socket.once('close', stop)
}

import type { IncomingMessage } from 'node:http'

/**
 * Reads and discards the rest of a request body after the response, so that the client can read the response. Without a
 * time limit, an unauthenticated client could keep the connection open indefinitely.
 * @param timeoutMs time for the rest of the body to arrive, after which the connection is destroyed
 */
export function drainBody(request: IncomingMessage, timeoutMs: number): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  request.resume() // Node discards a body itself only if nothing has read from it
  const timer = setTimeout(() => request.destroy(), timeoutMs)
  const stop = () => {
    clearTimeout(timer)
    socket.off('close', stop)
  }
  // After the response, Node does not tell the request that its connection has closed.
  request.once('end', stop)
  socket.once('close', stop)
}

import type { IncomingMessage } from 'node:http'

/**
 * Bounds what may still come of a body that nobody wants: its request is answered, and the rest is only read so that the
 * client hears the answer. Without an end to it, a client without a name could keep a connection for good.
 * @param patience for all of the rest, in milliseconds; then the connection is cut
 */
export function drainBody(request: IncomingMessage, patience: number): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  request.resume() // Node does so only where nobody has read of it
  const timer = setTimeout(() => request.destroy(), patience)
  const stop = () => {
    clearTimeout(timer)
    socket.off('close', stop)
  }
  // Node tells a request that is answered nothing of its connection's end.
  request.once('end', stop)
  socket.once('close', stop)
}

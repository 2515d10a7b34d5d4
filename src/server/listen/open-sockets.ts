import type { Server, Socket } from 'node:net'

/**
 * Follows the connections of a server. Node's own list, behind `closeAllConnections`, lacks those that have left HTTP/1.1: the
 * upgraded ones, and those of HTTP/2.
 */
export function trackSockets(server: Server): Readonly<{ cut: () => void }> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', forget)
  })

  function forget(this: Socket): void {
    open.delete(this)
  }

  return Object.freeze({
    /** Closes all that are open, in whatever state. */
    cut() {
      for (const socket of open) socket.destroy()
    },
  })
}

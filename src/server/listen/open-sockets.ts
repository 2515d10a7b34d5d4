import type { Server, Socket } from 'node:net'

/**
 * Tracks the connections of a server. `closeAllConnections` of Node does not include those that have left HTTP/1.1:
 * upgraded connections, and those of HTTP/2.
 */
export function trackSockets(server: Server): Readonly<{ destroyAll: () => void }> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', onSocketClose)
  })

  function onSocketClose(this: Socket): void {
    sockets.delete(this)
  }

  return Object.freeze({
    /** Destroys all open connections, in whatever state. */
    destroyAll() {
      for (const socket of sockets) socket.destroy()
    },
  })
}

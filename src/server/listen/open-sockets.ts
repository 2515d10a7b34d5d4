import type { Server, Socket } from 'node:net'

/** Tracks a server's connections, because Node's `closeAllConnections` excludes upgraded and HTTP/2 connections. */
export function trackSockets(server: Server) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', onSocketClose)
  })

  function onSocketClose(this: Socket): void {
    sockets.delete(this)
  }

  return Object.freeze({
    /** Destroys the connections on which nothing has arrived. Node 24 does not count them as idle. */
    destroyUnused() {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    },
    /** Destroys all open connections, in whatever state. */
    destroyAll() {
      for (const socket of sockets) socket.destroy()
    },
  })
}

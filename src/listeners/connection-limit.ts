import type { Server } from 'node:net'

/** Holds all listeners together to a number of connections; Node counts those of each, and closes more as they come. */
export function limitConnections(servers: readonly Server[], most: number): void {
  const open = new Map(servers.map((server) => [server, 0]))
  let total = 0
  const change = (server: Server, by: 1 | -1) => {
    open.set(server, open.get(server)! + by)
    total += by
    for (const [each, own] of open) each.maxConnections = own + most - total
  }
  for (const server of servers) {
    server.maxConnections = most
    if (servers.length === 1) return
    server.on('connection', (socket) => {
      change(server, 1)
      socket.once('close', () => change(server, -1))
    })
  }
}

import type { Server, Socket } from 'node:net'

export type ConnectionLimits = Readonly<{
  /** Connections of all listeners. */
  maxConnections: number
  /** How many HTTP/1.1 connections the heap has room for. */
  maxWeight: number
}>

export type ConnectionBudget = Readonly<{
  /**
   * Counts a connection as several, until it closes or is weighed again.
   * @param share the part of all room that connections may take with it, 1 unless given
   * @returns whether there is room; if not, its weight stays the same
   */
  weigh: (socket: Socket, weight: number, share?: number) => boolean
}>

/** Limits the connections of all listeners together; Node counts those of each listener and closes further ones. */
export function limitConnections(
  servers: readonly Server[],
  { maxConnections, maxWeight }: ConnectionLimits,
): ConnectionBudget {
  const open = new Map(servers.map((server) => [server, 0]))
  const extras = new Map<Socket, number>()
  let count = 0
  let weight = 0

  function change(server: Server, by: 1 | -1): void {
    open.set(server, open.get(server)! + by)
    count += by
    addWeight(by)
  }

  function addWeight(by: number): void {
    weight += by
    const room = Math.max(0, Math.floor(Math.min(maxConnections - count, maxWeight - weight)))
    for (const [each, own] of open) each.maxConnections = own + room
  }

  for (const server of servers) {
    server.maxConnections = Math.min(maxConnections, maxWeight)
    server.on('connection', (socket) => {
      change(server, 1)
      socket.once('close', () => change(server, -1))
    })
  }

  return Object.freeze({
    weigh(socket, wanted, share = 1) {
      if (socket.destroyed) return false // its weight would never be released
      const extra = wanted - 1
      const before = extras.get(socket)
      const change = extra - (before ?? 0)
      if (change > 0 && weight + change > maxWeight * share) return false
      if (before === undefined) {
        socket.once('close', () => {
          addWeight(-extras.get(socket)!)
          extras.delete(socket)
        })
      }
      extras.set(socket, extra)
      addWeight(change)
      return true
    },
  })
}

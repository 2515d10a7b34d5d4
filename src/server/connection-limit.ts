import type { Server, Socket } from 'node:net'

export type ConnectionLimits = Readonly<{
  /** Connections of all listeners. */
  maxConnections: number
  /** The number of HTTP/1.1 connections for which the heap has room. */
  maxWeight: number
}>

export type ConnectionBudget = Readonly<{
  /**
   * Counts a connection as several, until it closes or gets another weight.
   * @param maxShare the part of all room that may be used if the weight increases, 1 by default
   * @returns whether there is room; if not, the weight does not change
   */
  setWeight: (socket: Socket, weight: number, maxShare?: number) => boolean
}>

/** Limits the connections of all listeners together. Node counts those of each listener and closes further ones. */
export function limitConnections(
  servers: readonly Server[],
  { maxConnections, maxWeight }: ConnectionLimits,
): ConnectionBudget {
  const openConnections = new Map(servers.map((server) => [server, 0]))
  const extraWeights = new Map<Socket, number>()
  let totalConnections = 0
  let totalWeight = 0

  function addConnections(server: Server, change: 1 | -1): void {
    openConnections.set(server, openConnections.get(server)! + change)
    totalConnections += change
    addWeight(change)
  }

  function addWeight(change: number): void {
    totalWeight += change
    const room = Math.max(0, Math.floor(Math.min(maxConnections - totalConnections, maxWeight - totalWeight)))
    for (const [server, count] of openConnections) server.maxConnections = count + room
  }

  for (const server of servers) {
    server.maxConnections = Math.min(maxConnections, maxWeight)
    server.on('connection', (socket) => {
      addConnections(server, 1)
      socket.once('close', () => addConnections(server, -1))
    })
  }

  return Object.freeze({
    setWeight(socket, weight, maxShare = 1) {
      if (socket.destroyed) return false // the weight would never be released
      const extra = weight - 1
      const previous = extraWeights.get(socket)
      const change = extra - (previous ?? 0)
      if (change > 0 && totalWeight + change > maxWeight * maxShare) return false
      if (previous === undefined) {
        socket.once('close', () => {
          addWeight(-extraWeights.get(socket)!)
          extraWeights.delete(socket)
        })
      }
      extraWeights.set(socket, extra)
      addWeight(change)
      return true
    },
  })
}

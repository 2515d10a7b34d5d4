import type { Server, Socket } from 'node:net'

export type ConnectionLimits = Readonly<{
  /** The maximum number of open connections on all listeners together. */
  maxConnections: number
  /** The maximum sum of the connections' weights: the number of HTTP/1.1 connections for which the heap has room. */
  maxWeight: number
}>

export type ConnectionBudget = Readonly<{
  /**
   * Makes a connection count as `weight` HTTP/1.1 connections, until it closes or gets another weight.
   * @param maxShare an increase is accepted only while all connections together use at most this part of `maxWeight`; 1
   * by default
   * @returns whether there is room; if not, the weight does not change
   */
  setWeight: (socket: Socket, weight: number, maxShare?: number) => boolean
}>

/**
 * Limits the connections of all listeners together. It does so by adjusting each Node server's `maxConnections`,
 * because Node limits the connections of each server separately.
 */
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
    const onSocketClose = () => addConnections(server, -1)
    server.on('connection', (socket) => {
      addConnections(server, 1)
      socket.on('close', onSocketClose)
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

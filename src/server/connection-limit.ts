import type { Server, Socket } from 'node:net'
import { type Client, type ClientLimits, createClientLimit } from './client-limit.ts'

export type ConnectionLimits = Readonly<{
  /** The maximum number of open connections on all listeners together. */
  maxConnections: number
  /** The maximum sum of the connections' weights: the number of HTTP/1.1 connections for which the heap has room. */
  maxWeight: number
  /** By default, one client may hold all connections. */
  clients?: ClientLimits
  /** Called when the server is full and closes a connection. It is called again only after half of the capacity was free. */
  onFull?: () => void
}>

export type ConnectionBudget = Readonly<{
  /**
   * Makes a connection count as `weight` HTTP/1.1 connections, until it closes or gets another weight.
   * @param maxShare an increase is accepted only while all connections together use at most this part of `maxWeight`; 1
   * by default
   * @returns whether there is room; if not, the weight does not change, and a connection that has got no weight before
   * must be closed
   */
  setWeight: (socket: Socket, weight: number, maxShare?: number) => boolean
}>

/**
 * Limits the connections of all listeners together. It does so by adjusting each Node server's `maxConnections`,
 * because Node limits the connections of each server separately. A connection of a client that holds its share already
 * is destroyed.
 */
export function limitConnections(
  servers: readonly Server[],
  { maxConnections, maxWeight, clients = unlimitedClients, onFull = () => {} }: ConnectionLimits,
): ConnectionBudget {
  const openConnections = new Map(servers.map((server) => [server, 0]))
  const extraWeights = new Map<Socket, Readonly<{ extra: number; client: Client | undefined }>>()
  /** Without connections of exempt clients. */
  const clientOf = new Map<Socket, Client>()
  const clientLimit = createClientLimit({ maxConnections, maxWeight }, clients)
  let totalConnections = 0
  let totalWeight = 0
  let isReportedFull = false

  function addConnections(server: Server, change: 1 | -1): void {
    openConnections.set(server, openConnections.get(server)! + change)
    totalConnections += change
    addWeight(change)
  }

  function addWeight(change: number): void {
    totalWeight += change
    const room = Math.max(0, Math.floor(Math.min(maxConnections - totalConnections, maxWeight - totalWeight)))
    for (const [server, count] of openConnections) server.maxConnections = count + room
    if (isReportedFull && totalConnections <= maxConnections / 2 && totalWeight <= maxWeight / 2) isReportedFull = false
  }

  function reportFull(): void {
    if (isReportedFull) return
    isReportedFull = true
    onFull()
  }

  for (const server of servers) {
    server.maxConnections = Math.min(maxConnections, maxWeight)
    function onSocketClose(this: Socket): void {
      addConnections(server, -1)
      const client = clientOf.get(this)
      if (client === undefined) return
      clientLimit.add(client, -1, -1)
      clientOf.delete(this)
    }
    server.on('connection', (socket) => {
      const client = clientLimit.find(socket)
      if (client !== undefined) addToClient(socket, client)
      addConnections(server, 1)
      socket.on('close', onSocketClose)
    })
    server.on('drop', reportFull)
  }

  function addToClient(socket: Socket, client: Client): void {
    if (!clientLimit.hasRoom(client, 1, 1)) {
      clientLimit.reportExceeded(client)
      socket.destroy()
    }
    clientLimit.add(client, 1, 1)
    clientOf.set(socket, client)
  }

  return Object.freeze({
    setWeight(socket, weight, maxShare = 1) {
      if (socket.destroyed) return false // the weight would never be released
      const previous = extraWeights.get(socket)
      const { extra, client } = previous ?? { extra: 0, client: clientLimit.find(socket) }
      const change = weight - 1 - extra
      const report = change > 0 ? checkRoom(client, change, maxShare) : undefined
      if (report !== undefined) {
        if (previous === undefined) report() // with a previous weight, the connection stays open
        return false
      }
      if (previous === undefined) socket.once('close', () => releaseExtraWeight(socket))
      extraWeights.set(socket, { extra: weight - 1, client })
      clientLimit.add(client, 0, change)
      addWeight(change)
      return true
    },
  })

  /** @returns undefined if there is room for more weight, otherwise what reports that there is none */
  function checkRoom(client: Client | undefined, change: number, maxShare: number): (() => void) | undefined {
    if (totalWeight + change > maxWeight * maxShare) return reportFull
    if (!clientLimit.hasRoom(client, 0, change)) return () => clientLimit.reportExceeded(client)
    return undefined
  }

  function releaseExtraWeight(socket: Socket): void {
    const { extra, client } = extraWeights.get(socket)!
    extraWeights.delete(socket)
    clientLimit.add(client, 0, -extra)
    addWeight(-extra)
  }
}

const unlimitedClients: ClientLimits = { isExempt: () => true, onExceeded: () => {} }

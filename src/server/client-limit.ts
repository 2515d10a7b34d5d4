import type { Socket } from 'node:net'
import { clientNetwork } from '../../config/hosts.ts'

export type ClientLimits = Readonly<{
  /** Whether a client with this address may hold any number of connections, such as a proxy with many users. */
  isExempt: (address: string) => boolean
  /**
   * Called when a connection is closed because its client holds its share; only once until all connections of the client
   * have closed.
   */
  onExceeded: (address: string) => void
}>

/** The connections of one IPv4 address, or of one IPv6 network of 64 bits, which usually is one client. */
export type Client = { readonly network: string; connections: number; weight: number; hasExceeded: boolean }

/** What one client may hold: half of all connections, and half of their weight, so that there is room for others. */
export function createClientLimit(
  { maxConnections, maxWeight }: Readonly<{ maxConnections: number; maxWeight: number }>,
  { isExempt, onExceeded }: ClientLimits,
) {
  const maxOf = { connections: Math.ceil(maxConnections / 2), weight: Math.ceil(maxWeight / 2) }
  const clients = new Map<string, Client>()

  return Object.freeze({
    /** @returns undefined for an exempt client, a unix socket, and a closed connection */
    find({ remoteAddress }: Pick<Socket, 'remoteAddress'>): Client | undefined {
      if (remoteAddress === undefined || isExempt(remoteAddress)) return undefined
      const network = clientNetwork(remoteAddress)
      return clients.get(network) ?? { network, connections: 0, weight: 0, hasExceeded: false }
    },
    /** Whether a client has room for more. */
    hasRoom(client: Client | undefined, connections: number, weight: number): boolean {
      if (client === undefined) return true
      const { connections: currentConnections, weight: currentWeight } = client
      return currentConnections + connections <= maxOf.connections && currentWeight + weight <= maxOf.weight
    },
    /** Reports that a connection is closed because its client has no room. */
    reportExceeded(client: Client | undefined): void {
      if (client === undefined || client.hasExceeded) return
      client.hasExceeded = true
      onExceeded(client.network)
    },
    /** Counts connections and their weight; negative numbers when they close. */
    add(client: Client | undefined, connections: number, weight: number): void {
      if (client === undefined) return
      client.connections += connections
      client.weight += weight
      if (client.weight > 0) clients.set(client.network, client)
      else clients.delete(client.network)
    },
  })
}

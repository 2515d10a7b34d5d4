import type { Socket } from 'node:net'
import type { Peer } from './auth/trust.ts'

/** What is known of the other ends of our connections. */
export type Peers = Readonly<{
  /** To be told of every connection through a unix socket: once it is gone, none has an address any more. */
  addUnix: (socket: Socket) => void
  peerOf: (socket: Socket) => Peer
}>

export function createPeers(): Peers {
  const unixSockets = new WeakSet<Socket>()
  return Object.freeze({
    addUnix: (socket) => void unixSockets.add(socket),
    peerOf: (socket) => ({ address: socket.remoteAddress, isUnix: unixSockets.has(socket) }),
  })
}

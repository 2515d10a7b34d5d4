import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { readCertificateNames } from './certificate-names.ts'
import type { Peer } from './trust.ts'

/** What is known of the other ends of our connections. */
export type Peers = Readonly<{
  /** To be told of every connection through a unix socket: once it is gone, none has an address any more. */
  trackUnixSocket: (socket: Socket) => void
  peerOf: (socket: Socket) => Peer
}>

/** @param clientNames what a client certificate must be for, one of them; empty for any that its CA vouches for */
export function createPeers(clientNames: readonly string[]): Peers {
  const unixSockets = new WeakSet<Socket>()

  /** `authorized` is true only for a certificate that was shown, and verified (RFC 5280, 6) against `tls.client_ca`. */
  function hasVerifiedCertificate(socket: Socket): boolean {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return false
    if (clientNames.length === 0) return true
    const certificate = socket.getPeerX509Certificate()
    return certificate !== undefined && readCertificateNames(certificate).some((name) => clientNames.includes(name))
  }

  return Object.freeze({
    trackUnixSocket: (socket) => void unixSockets.add(socket),
    peerOf: (socket) => ({
      address: socket.remoteAddress,
      isUnixSocket: unixSockets.has(socket),
      hasVerifiedCertificate: hasVerifiedCertificate(socket),
    }),
  })
}

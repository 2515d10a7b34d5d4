import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { readCertificateNames } from './certificate-names.ts'
import type { Peer } from './trust.ts'

/** The peers of elastauth's connections. */
export type Peers = Readonly<{
  /**
   * Must be called for every connection through a unix socket. A missing address does not identify one, because a closed TCP
   * connection has none either.
   */
  trackUnixSocket: (socket: Socket) => void
  peerOf: (socket: Socket) => Peer
}>

/** @param clientNames a client certificate must be issued for one of these names; if empty, any certificate of the CA is accepted */
export function createPeers(clientNames: readonly string[]): Peers {
  const unixSockets = new WeakSet<Socket>()

  return Object.freeze({
    trackUnixSocket: (socket) => void unixSockets.add(socket),
    peerOf: (socket) => ({
      address: socket.remoteAddress,
      isUnixSocket: unixSockets.has(socket),
      hasVerifiedCertificate: hasVerifiedCertificate(socket, clientNames),
    }),
  })
}

/** `authorized` is true only for a client certificate (mTLS) that Node verified against `tls.client_ca` (RFC 5280, section 6). */
function hasVerifiedCertificate(socket: Socket, clientNames: readonly string[]): boolean {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return false
  if (clientNames.length === 0) return true
  const certificate = socket.getPeerX509Certificate()
  return certificate !== undefined && readCertificateNames(certificate).some((name) => clientNames.includes(name))
}

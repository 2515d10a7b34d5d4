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
  /** Cached by connection, because reading a certificate takes longer than handling a request. */
  const hasClientName = new WeakMap<TLSSocket, boolean>()

  /** `authorized` is true only for a client certificate (mTLS) that Node verified against `tls.client_ca` (RFC 5280, section 6). */
  function hasVerifiedCertificate(socket: Socket): boolean {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return false
    if (clientNames.length === 0) return true
    const known = hasClientName.get(socket)
    if (known !== undefined) return known
    const certificate = socket.getPeerX509Certificate()
    const names = certificate === undefined ? [] : readCertificateNames(certificate)
    const isAccepted = names.some((name) => clientNames.includes(name))
    hasClientName.set(socket, isAccepted)
    return isAccepted
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

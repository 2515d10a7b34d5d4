import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Peers } from './peers.ts'
import { createHasProxySecret } from './proxy-secret.ts'
import { createIsTrustedPeer } from './trust.ts'

export type TrustOptions = Readonly<{
  trustedProxies: readonly string[]
  proxySecret: string | undefined
  proxySecretHeader: string
}>

/**
 * Whether a request comes from a trusted proxy, whose headers may assert an identity: its peer is in `trustedProxies`, and it
 * contains the `proxySecret` if one is configured.
 */
export function createIsTrustedRequest(
  { trustedProxies, proxySecret, proxySecretHeader }: TrustOptions,
  peerOf: Peers['peerOf'],
) {
  const isTrustedPeer = createIsTrustedPeer(trustedProxies)
  const hasProxySecret = proxySecret === undefined ? () => true : createHasProxySecret(proxySecretHeader, proxySecret)
  // The peer of a connection stays the same for all its requests.
  const trustBySocket = new WeakMap<Socket, boolean>()

  return function isTrustedRequest(request: IncomingMessage): boolean {
    const { socket } = request
    let isTrusted = trustBySocket.get(socket)
    if (isTrusted === undefined) {
      isTrusted = isTrustedPeer(peerOf(socket))
      trustBySocket.set(socket, isTrusted)
    }
    return isTrusted && hasProxySecret(request)
  }
}

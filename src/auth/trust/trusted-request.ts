import type { IncomingMessage } from 'node:http'
import type { Peers } from './peers.ts'
import { createHasProxySecret, explainMissingSecret } from './proxy-secret.ts'
import type { IsTrustedPeer } from './trust.ts'

export type TrustOptions = Readonly<{
  trustedProxies: readonly string[]
  proxySecret: string | undefined
  proxySecretHeader: string
}>

/** `isTrustedPeer` is created from `trustedProxies`. */
export type PeerTrust = Readonly<{ isTrustedPeer: IsTrustedPeer; peerOf: Peers['peerOf'] }>

/**
 * Whether a request comes from a trusted proxy, whose headers may assert an identity: its peer is in `trustedProxies`, and it
 * contains the `proxySecret` if one is configured.
 */
export function createIsTrustedRequest(
  { proxySecret, proxySecretHeader }: Pick<TrustOptions, 'proxySecret' | 'proxySecretHeader'>,
  { isTrustedPeer, peerOf }: PeerTrust,
) {
  const hasProxySecret = proxySecret === undefined ? () => true : createHasProxySecret(proxySecretHeader, proxySecret)

  return function isTrustedRequest(request: IncomingMessage): boolean {
    return isTrustedPeer(peerOf(request.socket)) && hasProxySecret(request)
  }
}

/** Creates the function that says why {@link createIsTrustedRequest} does not trust a request. */
export function createExplainDistrust(
  { trustedProxies, proxySecretHeader }: TrustOptions,
  { isTrustedPeer, peerOf }: PeerTrust,
) {
  return function explainDistrust(request: IncomingMessage): string {
    const peer = peerOf(request.socket)
    if (isTrustedPeer(peer)) return explainMissingSecret(request, proxySecretHeader)
    if (peer.isUnixSocket)
      return 'from a unix socket: add unix to trusted_proxies if only the proxy can open the socket'
    const certificate = trustedProxies.includes('client_cert') ? ', and without an accepted client certificate' : ''
    const address = peer.address ?? 'a closed connection'
    return `from ${address}, which is not in trusted_proxies${certificate}: add the address if it is your proxy's`
  }
}

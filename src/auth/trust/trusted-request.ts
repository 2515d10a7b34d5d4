import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Peers } from './peers.ts'
import { createHasProxySecret } from './proxy-secret.ts'
import { createIsTrustedPeer } from './trust.ts'

export type TrustOptions = Readonly<{
  trusted_proxies: readonly string[]
  proxy_secret: string | null
  proxy_secret_header: string
}>

/**
 * Whether a request comes from a trusted proxy, whose headers may assert an identity: its peer is in `trusted_proxies`, and it
 * contains the `proxy_secret` if one is configured.
 */
export function createIsTrustedRequest(
  { trusted_proxies, proxy_secret, proxy_secret_header }: TrustOptions,
  peerOf: Peers['peerOf'],
) {
  const isTrustedPeer = createIsTrustedPeer(trusted_proxies)
  const hasProxySecret = proxy_secret === null ? () => true : createHasProxySecret(proxy_secret_header, proxy_secret)
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

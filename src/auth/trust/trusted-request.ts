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

/** Whether a request comes from a proxy of ours, whose word holds: by its address, and by its secret where there is one. */
export function createIsTrustedRequest(
  { trusted_proxies, proxy_secret, proxy_secret_header }: TrustOptions,
  peerOf: Peers['peerOf'],
) {
  const isTrusted = createIsTrustedPeer(trusted_proxies)
  const hasSecret = proxy_secret === null ? () => true : createHasProxySecret(proxy_secret_header, proxy_secret)
  // A connection keeps its other end, and brings many requests.
  const verdicts = new WeakMap<Socket, boolean>()

  return function isTrustedRequest(request: IncomingMessage): boolean {
    const { socket } = request
    let isTrustedPeer = verdicts.get(socket)
    if (isTrustedPeer === undefined) {
      isTrustedPeer = isTrusted(peerOf(socket))
      verdicts.set(socket, isTrustedPeer)
    }
    return isTrustedPeer && hasSecret(request)
  }
}

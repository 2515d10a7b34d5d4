import type { IncomingMessage } from 'node:http'
import { isIPv4 } from 'node:net'
import { isLocalhostName, unmapIpv4 } from '../../config/hosts.ts'
import { GatewayError } from '../http/errors.ts'

const dnsRebindingDetail =
  'Host is a domain name with the port of this listener, from a peer on this machine: a web page may have sent it by DNS rebinding. If a proxy sent it, set proxy_secret'

/**
 * Throws GatewayError peer_untrusted for a request that a web page may have sent by DNS rebinding: the page's own name, such as
 * `evil.test`, resolves to this machine, so that the page may set any header and read the response.
 * The sign is a `Host` with a foreign name and the port of this listener, from a peer on this machine. TLS is safe, because
 * browsers do not accept elastauth's certificate for a foreign name.
 */
export function rejectDnsRebinding({
  headers: { host = '' },
  socket,
}: Pick<IncomingMessage, 'headers' | 'socket'>): void {
  const colon = host.lastIndexOf(':')
  // `localPort` comes last because it costs a system call on each connection.
  if (colon === -1 || !isDomainName(host.slice(0, colon)) || 'encrypted' in socket || !isLocalPeer(socket)) return
  if (Number(host.slice(colon + 1)) !== socket.localPort) return
  throw new GatewayError('peer_untrusted', dnsRebindingDetail)
}

/** Whether anyone can register the name and resolve it to any address. Browsers resolve `localhost` and its subdomains themselves. */
function isDomainName(host: string): boolean {
  const name = host.endsWith('.') ? host.slice(0, -1) : host
  return name.includes('.') && !isLocalhostName(host) && !isIPv4(name) && !name.startsWith('[')
}

/**
 * Whether a browser on this machine may be the peer. It connects from 127.0.0.1, ::1 or the address that it connects to;
 * service mesh sidecars use other addresses, such as 127.0.0.6.
 */
function isLocalPeer({ remoteAddress, localAddress }: IncomingMessage['socket']): boolean {
  if (remoteAddress === undefined) return false
  const address = unmapIpv4(remoteAddress)
  return address === '127.0.0.1' || address === '::1' || remoteAddress === localAddress
}

import { isIPv6 } from 'node:net'

/** An address as people write it: an IPv4 client of an IPv6 listener is an IPv4 client. `unknown` (RFC 7239, 6.2) once it is gone. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}

/** The port a client asked for: the one in `Host`, or the scheme's own. */
export function requestedPort(host: string, scheme: 'http' | 'https'): string {
  const [, port] = /:(\d+)$/.exec(host) ?? []
  return port ?? (scheme === 'https' ? '443' : '80')
}

/** One element of `Forwarded` (RFC 7239, 4). */
export function formatForwarded(address: string, host: string, scheme: string): string {
  const node = isIPv6(address) ? `"[${address}]"` : address
  return `for=${node};host="${host}";proto=${scheme}`
}

import { unmapIpv4, withBrackets } from '../../../config/hosts.ts'

/**
 * Converts an IPv4-mapped IPv6 address to IPv4. Returns `unknown` (RFC 7239, section 6.2) for a closed socket, which
 * has no address.
 */
export function plainAddress(address: string | undefined): string {
  return address === undefined ? 'unknown' : unmapIpv4(address)
}

/** The port in a `Host` header, or else the scheme's default port. */
export function requestedPort(host: string, scheme: 'http' | 'https'): string {
  const [, port] = /:(\d+)$/.exec(host) ?? []
  return port ?? (scheme === 'https' ? '443' : '80')
}

/** One element of `Forwarded` (RFC 7239, section 4). */
export function formatForwarded(address: string, host: string, scheme: string): string {
  const node = withBrackets(address)
  return `for=${node === address ? node : `"${node}"`};host="${host}";proto=${scheme}`
}

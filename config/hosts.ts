import { BlockList, isIP } from 'node:net'

/** The loopback addresses of IPv4 (RFC 1122, 3.2.1.3) and IPv6 (RFC 4291, 2.5.3). */
export const loopbackRanges = ['127.0.0.0/8', '::1/128'] as const

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether an IP address is a loopback address, in any spelling, including IPv4-mapped (RFC 4291, 2.5.5.2). False for a
 * host name, and for `undefined`, the address of a closed connection.
 */
export function isLoopbackAddress(address: string | undefined): boolean {
  const version = address === undefined ? 0 : isIP(address)
  return version !== 0 && loopback.check(address!, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Whether a host to connect to or listen on is this machine: a loopback address, with or without brackets, or
 * `localhost`. Names below `localhost` do not count, because some resolvers ask DNS, which can return any address.
 */
export function isLoopbackHost(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(withoutBrackets(host))
}

/**
 * Whether browsers resolve a name to this machine without DNS: `localhost` and all names below it (RFC 6761, 6.3; W3C
 * Secure Contexts, 3.1), with or without a trailing dot.
 */
export function isLocalhostName(name: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(name)
}

/** The host of a URL without the brackets around an IPv6 address (RFC 3986, 3.2.2). */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/**
 * The host in a `Host` header, with brackets around an IPv6 address (RFC 3986, 3.2.2). Returns `''` for a text that is not
 * a host with an optional port.
 */
export function withoutPort(host: string): string {
  const [, name = ''] = hostAndPort.exec(host) ?? []
  return name
}

const hostAndPort = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/

/** A host as it is written in a URL, with brackets around an IPv6 address (RFC 3986, 3.2.2). */
export function withBrackets(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** The host to connect to for a host to listen on: loopback for all interfaces. */
export function connectableHost(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/**
 * Converts an IPv4-mapped address, which a dual-stack socket reports (`::ffff:10.0.0.1`; RFC 4291, 2.5.5.2), to IPv4.
 * Other addresses are returned unchanged.
 */
export function unmapIpv4(address: string): string
export function unmapIpv4(address: string | undefined): string | undefined
export function unmapIpv4(address: string | undefined): string | undefined {
  return address?.startsWith(mappedPrefix) && address.includes('.') ? address.slice(mappedPrefix.length) : address
}

const mappedPrefix = '::ffff:'

/**
 * An address as Elasticsearch's field type `ip` accepts it: IPv4-mapped addresses as IPv4, and without an IPv6 zone (RFC
 * 4007, 11). Undefined for any other text.
 */
export function toIp(text: string | undefined): string | undefined {
  return text === undefined || isIP(text) === 0 ? undefined : peerIp(text)
}

/** The same for the address of a socket, which is valid. Every request needs it, and the check would take time. */
export function peerIp(address: string | undefined): string | undefined {
  const zone = address?.indexOf('%') ?? -1
  return unmapIpv4(zone === -1 ? address : address!.slice(0, zone))
}

/**
 * The part of an address that identifies a client: an IPv4 address as it is, of an IPv6 address the first 64 bits, since
 * a client chooses the rest itself (RFC 4291, 2.5.4).
 */
export function clientNetwork(address: string): string {
  const plain = unmapIpv4(address)
  if (!plain.includes(':')) return plain
  const [left = [], right = []] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`
}

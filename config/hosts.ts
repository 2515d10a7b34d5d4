import { BlockList, isIP } from 'node:net'

/** IPv4 (RFC 1122, 3.2.1.3) and IPv6 (RFC 4291, 2.5.3). */
export const loopbackRanges = ['127.0.0.0/8', '::1/128'] as const

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether an IP address is one of this machine's loopback interface, in any spelling, IPv4-mapped (RFC 4291, 2.5.5.2) included.
 * False for a name and for the address of a connection that is gone.
 */
export function isLoopbackAddress(address: string | undefined): boolean {
  const version = address === undefined ? 0 : isIP(address)
  return version !== 0 && loopback.check(address!, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Whether to connect to a host, or to listen on it, means this machine: a loopback address, with or without brackets, or
 * `localhost`. Not a name below `localhost`: some resolvers ask DNS for it, which then decides where it leads.
 */
export function isLoopbackHost(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(withoutBrackets(host))
}

/**
 * Whether a browser resolves a name to this machine itself: `localhost` and all names below it (RFC 6761, 6.3; W3C Secure
 * Contexts, 3.1), absolute or not.
 */
export function isLocalhostName(name: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(name)
}

/** The host of a URL without the brackets around an IPv6 address (RFC 3986, 3.2.2). */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/** A host as it stands in a URL: an IPv6 address in brackets (RFC 3986, 3.2.2). */
export function withBrackets(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** The IPv4 address in one that a dual-stack socket reports (`::ffff:10.0.0.1`; RFC 4291, 2.5.5.2), or the address itself. */
export function unmapIpv4(address: string): string {
  return address.startsWith(mappedPrefix) && address.includes('.') ? address.slice(mappedPrefix.length) : address
}

const mappedPrefix = '::ffff:'

import { isIP } from 'node:net'
import { type Format, listOf, type Problem, textFormat } from './format.ts'

/** The address of a server to connect to, as `host:port`. */
export const hostPort = textFormat({
  noun: 'a host and a port',
  hint: 'write host:port, e.g. redis:6379',
  jsonSchema: { pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[^:\\[\\]/\\s]+):[0-9]{1,5}$' },
  isValid: (text) => {
    const address = parseAddress(text)
    return address !== undefined && address.host !== '' && address.port !== 0
  },
})

export const hostPortList = listOf(hostPort, 'addresses', 'write e.g. ["redis-1:6379", "redis-2:6379"]')

/**
 * Splits `host:port` into host (without brackets; `''` for all interfaces) and port. Returns `undefined` for a
 * malformed text.
 */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const colon = text.lastIndexOf(':')
  if (colon === -1) return undefined
  const host = parseHost(text.slice(0, colon))
  const port = parsePort(text.slice(colon + 1))
  return host === undefined || port === undefined ? undefined : { host, port }
}

/** A host name, an IPv4 address, or an IPv6 address in brackets, which are removed. */
function parseHost(text: string): string | undefined {
  if (text.startsWith('[') && text.endsWith(']')) {
    const address = text.slice(1, -1)
    return isIP(address) === 6 && !address.includes('%') ? address : undefined
  }
  if (!hostName.test(text)) return undefined
  const isMistyped = digitsAndDots.test(text) && isIP(text) !== 4 // `999.1.1.1` is not a host name
  return isMistyped ? undefined : text
}

const hostName = /^[A-Za-z0-9._-]*$/
const digitsAndDots = /^[\d.]+$/

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined
}

/** An http or https URL. Credentials in the URL are rejected, because they would appear in logs. */
export const httpUrl: Format<string> = {
  ...textFormat({
    noun: 'an http or https URL',
    hint: 'write e.g. https://elasticsearch:9200',
    jsonSchema: { pattern: '^https?://' },
    isValid: (text) => hasScheme(text, ['http:', 'https:']),
  }),
  check: (text) => {
    const url = new URL(text)
    const hasCredentials = url.username !== '' || url.password !== ''
    const hasQuery = url.search !== '' || url.hash !== ''
    return [
      ...(hasCredentials
        ? [{ value: text, problem: 'has credentials in the URL', fix: 'move them to the username and password keys' }]
        : []),
      ...(hasQuery ? [{ value: text, problem: 'has a query or a fragment', fix: 'end the URL with its path' }] : []),
    ]
  },
}

export const httpUrlList = listOf(httpUrl, 'URLs', 'write e.g. ["https://elasticsearch:9200"]')

export const redisUrl = textFormat({
  noun: 'a redis:// or rediss:// URL',
  hint: 'write e.g. rediss://user:password@redis:6380/0',
  jsonSchema: { pattern: '^rediss?://' },
  isValid: (text) => hasScheme(text, ['redis:', 'rediss:']),
})

function hasScheme(text: string, schemes: readonly string[]): boolean {
  const url = URL.parse(text)
  return url !== null && url.hostname !== '' && schemes.includes(url.protocol) && !/\s/.test(text)
}

const peerWords = ['loopback', 'private', 'unix', 'client_cert', 'all', 'none']

const peer: Format<string> = {
  ...textFormat({
    noun: 'an address, a network or one of the words',
    hint: `write e.g. 10.0.0.0/8, 192.168.1.7, fd00::/8 or one of ${peerWords.join(', ')}`,
    isValid: (text) => peerWords.includes(text) || isNetwork(text),
  }),
  check: checkHostBits,
}

const peers = listOf(peer, 'networks', 'write e.g. ["loopback", "10.0.0.0/8"]')

/** A list of networks, addresses and words. The words `all` and `none` must be the only entry. */
export const peerList: Format<readonly string[]> = {
  ...peers,
  check: (list, limits) => [...checkExclusiveWord(list), ...peers.check!(list, limits)],
}

function checkExclusiveWord(list: readonly string[]): Problem[] {
  const word = list.find((entry) => entry === 'all' || entry === 'none')
  if (word === undefined || list.every((entry) => entry === word)) return []
  return [{ problem: `has ${word} together with other entries`, fix: `write ["${word}"], or remove it` }]
}

/**
 * Rejects a network with host bits: `172.20.0.5/8` would trust all of `172.0.0.0/8`, which is probably not intended.
 */
function checkHostBits(entry: string): Problem[] {
  const [address = '', prefix] = entry.split('/')
  if (prefix === undefined || isNetworkAddress(address, Number(prefix))) return []
  return [
    {
      value: entry,
      problem: 'is an address within a network, and would trust the whole network',
      fix: `write ${address} for that address only, or the network with zeros after its first ${prefix} bits`,
    },
  ]
}

/**
 * Whether an entry is a network of more than 2^24 IPv4 addresses, in IPv4 or IPv6 notation, or larger than the private
 * IPv6 network fc00::/7.
 */
export function isWideNetwork(entry: string): boolean {
  const [address = '', prefix] = entry.split('/')
  if (prefix === undefined || isIP(address) === 0) return false
  const isIpv4 = isIP(address) === 4
  const length = Number(prefix) + (isIpv4 ? mappedPrefix.length : 0)
  const bits = ((isIpv4 ? mappedPrefix : '') + bitsOf(address)).slice(0, length)
  const hasIpv4 = bits.startsWith(mappedPrefix.slice(0, length))
  return length < 7 || (hasIpv4 && length < mappedPrefix.length + 8)
}

/** The first 96 bits of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), which is treated as the IPv4 address. */
const mappedPrefix = '0'.repeat(80) + '1'.repeat(16)

/** Whether all bits of an address after the network prefix are zero. */
function isNetworkAddress(address: string, prefix: number): boolean {
  return !bitsOf(address).slice(prefix).includes('1')
}

/** The bits of an address as a text of 0 and 1. */
function bitsOf(address: string): string {
  if (isIP(address) === 4)
    return address
      .split('.')
      .map((part) => toBits(Number(part), 8))
      .join('')
  return ipv6GroupsOf(address)
    .map((group) => toBits(Number.parseInt(group, 16), 16))
    .join('')
}

function toBits(value: number, length: number): string {
  return value.toString(2).padStart(length, '0')
}

/** The eight groups of an IPv6 address, which `::` abbreviates (RFC 4291, 2.2). */
function ipv6GroupsOf(address: string): string[] {
  // The URL parser normalizes the address to one form (RFC 5952), without an IPv4 address at its end.
  const [start = '', end] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const left = start === '' ? [] : start.split(':')
  if (end === undefined) return left
  const right = end === '' ? [] : end.split(':')
  return [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || rest.length > 0) return false
  if (prefix === undefined) return true
  return /^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
}

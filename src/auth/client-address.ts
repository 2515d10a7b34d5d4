import { isIP } from 'node:net'
import { peerIp, toIp, withoutBrackets, withoutPort } from '../../config/hosts.ts'
import type { RequestReader } from '../http/request-context.ts'
import { createIsTrustedPeer } from './trust/trust.ts'

/** Bounds the work for a long list. No deployment has as many proxies in a row. */
const maxProxies = 20

/**
 * Returns the address of the client: what a trusted peer reports, else the peer's own address. The last entry of the list is
 * what the peer has written itself; the entries before it count only if the one after them is an address or in a network of
 * `trusted_proxies`. A word such as `private` does not count here, because clients have private addresses as well.
 */
export function createClientAddressOf(trustedProxies: readonly string[]): RequestReader['clientAddressOf'] {
  const networks = trustedProxies.filter((entry) => /[.:]/.test(entry)) // no word contains a dot or a colon
  const isListed = createIsTrustedPeer(networks)

  return function clientAddressOf({ socket, headers: { forwarded, 'x-forwarded-for': forwardedFor } }, isTrusted) {
    const peer = peerIp(socket.remoteAddress)
    if (!isTrusted) return peer
    // Node joins several headers of one name to one list.
    if (typeof forwardedFor === 'string') return firstUnlisted(forwardedFor, addresses, peer)
    return forwarded === undefined ? peer : firstUnlisted(forwarded, forwardedElements, peer)
  }

  /** Follows a list of proxies from its last element to the first address that is not a proxy's, if all after it are. */
  function firstUnlisted(list: string, { findComma, addressIn }: ListFormat, peer: string | undefined) {
    let client = peer
    let end = list.length
    for (let i = 0; i < maxProxies && end >= 0; i++) {
      const comma = findComma(list, end)
      const address = toIp(addressIn(list.slice(comma + 1, end)))
      if (address === undefined) break
      client = address
      if (!isListed({ address })) break
      end = comma
    }
    return client
  }
}

/** How a list of proxies is written. */
type ListFormat = Readonly<{
  /** The index of the last comma between two elements before `end`, or -1. */
  findComma: (list: string, end: number) => number
  /** The address in an element, which may be any text. The result may be any text as well. */
  addressIn: (element: string) => string
}>

/** `X-Forwarded-For` */
const addresses: ListFormat = { findComma: lastCommaBefore, addressIn: (element) => hostOf(element.trim()) }

/** `Forwarded` (RFC 7239, section 4) */
const forwardedElements: ListFormat = {
  findComma: lastUnquotedCommaBefore,
  addressIn: (element) => hostOf(forOf(element)),
}

function lastCommaBefore(list: string, end: number): number {
  return end === 0 ? -1 : list.lastIndexOf(',', end - 1)
}

/**
 * The index of the last comma before `end` outside quotes, or -1. It searches backwards, because only the last element is
 * certain to have matching quotes: a client may have sent the start of the list.
 */
function lastUnquotedCommaBefore(list: string, end: number): number {
  let isQuoted = false
  for (let i = end - 1; i >= 0; i--) {
    if (list[i] === ',' && !isQuoted) return i
    if (list[i] === '"' && !isEscaped(list, i)) isQuoted = !isQuoted
  }
  return -1
}

/** Whether an odd number of backslashes precedes a character (quoted-pair; RFC 9110, section 5.6.4). */
function isEscaped(text: string, index: number): boolean {
  let start = index
  while (text[start - 1] === '\\') start--
  return (index - start) % 2 === 1
}

/** The value of the only `for` in an element of `Forwarded`; `''` if there is none or the element is malformed. */
function forOf(element: string): string {
  const values: string[] = []
  let end = 0
  for (const { 0: pair, groups } of element.matchAll(forwardedPair)) {
    end += pair.length
    if (groups!.name!.toLowerCase() === 'for') values.push(groups!.quoted ?? groups!.plain!)
  }
  return end === element.length && values.length === 1 ? values[0]! : ''
}

/** Accepts an unquoted IPv6 address, which some proxies send. An escape never occurs in an address, so it is not decoded. */
const forwardedPair = /\s*(?<name>[\w!#$%&'*+.^`|~-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^\s";,]*))\s*(?:;|$)/gy

/** A node without its port (RFC 7239, section 6). */
function hostOf(node: string): string {
  return isIP(node) === 0 ? withoutBrackets(withoutPort(node)) : node
}

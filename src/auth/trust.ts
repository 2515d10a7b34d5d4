import { BlockList, isIP, isIPv6 } from 'node:net'

/** The other end of the connection: the socket decides, never a header. `address` is undefined on a unix socket. */
export type Peer = Readonly<{ address: string | undefined }>

export type IsTrusted = (peer: Peer) => boolean

const words: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/**
 * Who may assert an identity.
 * @param entries CIDRs, addresses and the words `loopback`, `private`, `unix`, `all`, `none`
 */
export function createIsTrusted(entries: readonly string[]): IsTrusted {
  if (entries.includes('all')) return () => true
  const list = new BlockList()
  for (const range of entries.flatMap((entry) => words[entry] ?? [entry])) addRange(list, range)
  const unix = entries.includes('unix')

  return function isTrusted({ address }) {
    if (address === undefined) return unix
    const plain = withoutZone(address)
    // BlockList matches an IPv4-mapped IPv6 address (::ffff:10.0.0.1) against the IPv4 rules by itself.
    return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix] = range.split('/')
  if (isIP(address) === 0) return // `unix`, `none`
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  if (prefix === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(prefix), family)
}

/** `fe80::1%eth0` → `fe80::1` (RFC 4007, 11) */
function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}

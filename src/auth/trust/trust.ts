import { BlockList, isIP, isIPv6 } from 'node:net'

/** The other end of the connection: the socket decides, never a header. */
export type Peer = Readonly<{
  /** Undefined for a unix socket, and once the connection is gone. */
  address: string | undefined
  isUnixSocket?: boolean
  /** Whether it has shown a certificate that proves who it is. */
  hasVerifiedCertificate?: boolean
}>

export type IsTrustedPeer = (peer: Peer) => boolean

const words: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/**
 * Who may assert an identity.
 * @param entries CIDRs, addresses and the words `loopback`, `private`, `unix`, `client_cert`, `all`, `none`
 */
export function createIsTrustedPeer(entries: readonly string[]): IsTrustedPeer {
  if (entries.includes('all')) return () => true
  const trustsUnix = entries.includes('unix')
  const trustsCertificates = entries.includes('client_cert')
  const list = new BlockList()
  for (const range of entries.flatMap((entry) => words[entry] ?? [entry])) addRange(list, range)

  return function isTrusted({ address, isUnixSocket = false, hasVerifiedCertificate = false }) {
    if ((trustsUnix && isUnixSocket) || (trustsCertificates && hasVerifiedCertificate)) return true
    if (address === undefined || isIP(address) === 0) return false
    // BlockList matches an IPv4-mapped IPv6 address (::ffff:10.0.0.1) against the IPv4 rules by itself.
    return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix] = range.split('/')
  if (isIP(address) === 0) return // `none`, `unix`, `client_cert`
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  if (prefix === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(prefix), family)
}

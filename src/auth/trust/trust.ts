import { BlockList, isIP, isIPv4 } from 'node:net'
import { loopbackRanges } from '../../../config/hosts.ts'

/** The other end of a connection, as the socket describes it. Headers are not used, because they can be spoofed. */
export type Peer = Readonly<{
  /** Undefined for a unix socket, and after the connection has closed. */
  address: string | undefined
  isUnixSocket?: boolean
  /** Whether the peer has authenticated with a client certificate (mTLS). */
  hasVerifiedCertificate?: boolean
}>

export type IsTrustedPeer = (peer: Peer) => boolean

const namedRanges: Readonly<Record<string, readonly string[]>> = {
  loopback: loopbackRanges,
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** Maximum number of addresses whose verdict is cached: a proxy may open a connection for each request, and the check is slow. */
const maxVerdicts = 1000

/**
 * Which peers may assert an identity.
 * @param entries CIDRs, addresses and the words `loopback`, `private`, `unix`, `client_cert`, `all`, `none`
 */
export function createIsTrustedPeer(entries: readonly string[]): IsTrustedPeer {
  if (entries.includes('all')) return () => true
  const trustsUnixSockets = entries.includes('unix')
  const trustsCertificates = entries.includes('client_cert')
  const addresses = new BlockList()
  for (const range of entries.flatMap((entry) => namedRanges[entry] ?? [entry])) addRange(addresses, range)
  const verdicts = new Map<string, boolean>()

  function isTrustedAddress(address: string): boolean {
    const known = verdicts.get(address)
    if (known !== undefined) return known
    // BlockList matches an IPv4-mapped IPv6 address (::ffff:10.0.0.1) against the IPv4 rules.
    const isTrusted = isIP(address) !== 0 && addresses.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
    if (verdicts.size >= maxVerdicts) verdicts.clear()
    verdicts.set(address, isTrusted)
    return isTrusted
  }

  return function isTrustedPeer({ address, isUnixSocket = false, hasVerifiedCertificate = false }) {
    if ((trustsUnixSockets && isUnixSocket) || (trustsCertificates && hasVerifiedCertificate)) return true
    return address !== undefined && isTrustedAddress(address)
  }
}

function addRange(addresses: BlockList, range: string): void {
  const [address = '', prefixLength] = range.split('/')
  // The configuration has validated the addresses. Node's pattern for IPv6 would take 5 ms to compile at start.
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  if (family === 'ipv4' && !isIPv4(address)) return // `none`, `unix`, `client_cert`
  if (prefixLength === undefined) addresses.addAddress(address, family)
  else addresses.addSubnet(address, Number(prefixLength), family)
}

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { isLocalhostName, isLoopbackHost, withoutBrackets, withoutPort } from '../../config/hosts.ts'

export type IsDirectRequest = (request: IncomingMessage) => boolean

export type DirectRequestOptions = Readonly<{
  /** Whether the other end of a connection has a loopback or private address, or uses a unix socket. */
  isLocalPeer: (socket: Socket) => boolean
  /** Whether an IP address is a loopback or private one. */
  isLocalAddress: (address: string) => boolean
  /** The header of `proxy_secret`: only a proxy sends it. */
  proxySecretHeader: string
}>

/**
 * Returns whether a program in the operator's network, such as a monitoring system, sent a request directly to elastauth. Requests
 * from anywhere may arrive from a local peer: through a reverse proxy, which a header or the public name in `Host` reveals,
 * and from a browser by DNS rebinding, which `Host` reveals.
 */
export function createIsDirectRequest({
  isLocalPeer,
  isLocalAddress,
  proxySecretHeader,
}: DirectRequestOptions): IsDirectRequest {
  const isForwarded = createIsForwarded(proxySecretHeader)
  return function isDirectRequest(request) {
    const host = withoutPort(request.headers.host ?? '')
    const hasLocalHost = isPrivateName(host) || isLocalAddress(withoutBrackets(host))
    return hasLocalHost && isLocalPeer(request.socket) && !isForwarded(request)
  }
}

/**
 * Returns whether a program on this machine sent a request directly to elastauth. A request with another Host than a name of this
 * machine may come through a local proxy, or from a browser by DNS rebinding.
 */
export function createIsFromThisMachine(
  isLoopbackPeer: (socket: Socket) => boolean,
  proxySecretHeader: string,
): IsDirectRequest {
  const isForwarded = createIsForwarded(proxySecretHeader)
  return function isFromThisMachine(request) {
    const { socket, headers } = request
    return isLoopbackPeer(socket) && isLoopbackHost(withoutPort(headers.host ?? '')) && !isForwarded(request)
  }
}

/**
 * Whether a reverse proxy forwarded the request, which may then come from anywhere. nginx with only `proxy_pass` adds no
 * header, but before 1.29.7 it uses HTTP/1.0, which current clients do not.
 */
function createIsForwarded(proxySecretHeader: string) {
  const names = ['forwarded', 'via', 'x-real-ip', proxySecretHeader.toLowerCase()]
  return ({ httpVersion, headers }: Pick<IncomingMessage, 'httpVersion' | 'headers'>): boolean =>
    httpVersion === '1.0' ||
    names.some((name) => name in headers) ||
    Object.keys(headers).some((name) => name.startsWith('x-forwarded-'))
}

/**
 * Whether a name cannot be registered in the public DNS: it has no dot, or is below a domain for private use (RFC 6761,
 * RFC 6762, RFC 8375; ICANN reserves `internal`; Kubernetes uses `svc`).
 */
function isPrivateName(host: string): boolean {
  const name = host.replace(/\.$/, '')
  return /^[\w-]+$/.test(name) || isLocalhostName(name) || privateDomain.test(name)
}

const privateDomain = /\.(?:internal|local|home\.arpa|svc)$/i

import { type IncomingMessage, METHODS } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { http1Limits, maxHeaderCount } from '../listen/limits.ts'

export type Http2Request = Readonly<{ request: IncomingMessage; fault: GatewayError | undefined }>

/**
 * Presents an HTTP/2 stream as an HTTP/1.1 request (RFC 9113, section 8.3): `Host` replaces `:authority`, all cookies
 * are in one `Cookie` header, and a body of unknown length is marked as chunked. The stream itself is the body. `fault`
 * is GatewayError payload_invalid or headers_too_large for requests that Node's HTTP/1.1 parser would have rejected.
 */
export function createHttp2Request(
  stream: ServerHttp2Stream,
  merged: IncomingHttpHeaders,
  received: readonly string[],
  socket: Socket,
): Http2Request {
  const { pseudoHeaders, rawHeaders, hosts } = splitHeaders(received)
  const headers = Object.fromEntries(Object.entries(merged).filter(([name]) => !name.startsWith(':')))
  const host = pseudoHeaders.get(':authority') ?? hosts[0]
  if (host !== undefined) {
    headers.host = host
    rawHeaders.unshift('host', host)
  }
  if (!stream.endAfterHeaders && headers['content-length'] === undefined) {
    headers['transfer-encoding'] = 'chunked'
    rawHeaders.push('transfer-encoding', 'chunked')
  }
  const method = pseudoHeaders.get(':method') ?? ''
  const head = {
    // HTTP/2 allows any token as the method. Each would become a label value in the metrics, so unknown methods share
    // one.
    method: METHODS.includes(method) ? method : 'UNKNOWN',
    url: pseudoHeaders.get(':path') ?? '',
    headers,
    rawHeaders,
    httpVersion: '1.1',
    socket,
  } satisfies Partial<IncomingMessage>
  const request = Object.assign(stream, head) as unknown as IncomingMessage
  return { request, fault: faultOf(request, { pseudoHeaders, hosts, received }) }
}

/**
 * The size of a header list as defined by RFC 9113, section 6.5.2, in bytes.
 * @param received alternating names and values
 */
export function headerListSize(received: readonly string[]): number {
  return received.reduce((sum, part) => sum + part.length + 16, 0)
}

function splitHeaders(received: readonly string[]) {
  const pseudoHeaders = new Map<string, string>()
  const rawHeaders: string[] = []
  const hosts: string[] = []
  let cookieIndex: number | undefined
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i]!
    const value = received[i + 1]!
    if (name.startsWith(':')) pseudoHeaders.set(name, value)
    else if (name === 'host') hosts.push(value)
    else if (name === 'cookie' && cookieIndex !== undefined)
      rawHeaders[cookieIndex] += `; ${value}` // RFC 9113, section 8.2.3
    else {
      if (name === 'cookie') cookieIndex = rawHeaders.length + 1
      rawHeaders.push(name, value)
    }
  }
  return { pseudoHeaders, rawHeaders, hosts }
}

type ReceivedHeaders = Readonly<{
  pseudoHeaders: ReadonlyMap<string, string>
  hosts: readonly string[]
  /** Alternating names and values. */
  received: readonly string[]
}>

/**
 * nghttp2 has already rejected requests that are malformed according to RFC 9113, sections 8.2 and 8.3 (for example with
 * hop-by-hop headers), and dropped headers with invalid characters.
 */
function faultOf(request: IncomingMessage, { pseudoHeaders, hosts, received }: ReceivedHeaders) {
  if (request.rawHeaders.length > 2 * maxHeaderCount)
    return new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
  const size = received.reduce((sum, part) => sum + part.length + 2, 0)
  if (size > http1Limits.maxHeaderSize) return new GatewayError('headers_too_large', `${size} bytes of headers`)
  const { method, url = '', headers } = request
  const invalid = invalidMethod(method) ?? invalidScheme(pseudoHeaders) ?? invalidTarget(url, method)
  const detail = invalid ?? invalidHost(headers.host, hosts)
  return detail === undefined ? undefined : new GatewayError('payload_invalid', detail)
}

function invalidMethod(method: string | undefined): string | undefined {
  if (method === 'UNKNOWN') return 'an unknown method'
  return method === 'CONNECT' ? 'CONNECT' : undefined // elastauth is not a forward proxy
}

function invalidScheme(pseudoHeaders: ReadonlyMap<string, string>): string | undefined {
  const scheme = pseudoHeaders.get(':scheme')
  return scheme === 'https' || scheme === 'http' ? undefined : 'a scheme that is not HTTP'
}

function invalidTarget(url: string, method: string | undefined): string | undefined {
  const isPath = url.startsWith('/') || (url === '*' && method === 'OPTIONS')
  if (!isPath) return 'a target that is not a path'
  return /[^\x21-\x7e\x80-\xff]/.test(url) ? 'a space or a control character in the target' : undefined
}

/** @param hosts the values of all Host headers; valid are none, or one that equals `host` */
function invalidHost(host: string | undefined, hosts: readonly string[]): string | undefined {
  if (host === undefined) return 'neither :authority nor Host'
  if (!/^[^\x00-\x20\x7f@/?#\\]+$/.test(host)) return 'an :authority that is not a host'
  const isDifferent = (other: string) => other.toLowerCase() !== host.toLowerCase()
  return hosts.length > 1 || hosts.some(isDifferent) ? 'a Host header that differs from :authority' : undefined
}

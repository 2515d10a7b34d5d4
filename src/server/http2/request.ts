import { type IncomingMessage, METHODS } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { checkHeaderCount } from '../http1/header-limit.ts'
import { http1Limits } from '../listen/limits.ts'

export type Http2Request = Readonly<{ request: IncomingMessage; check: () => void }>

/**
 * The request that came as a stream, as HTTP/1.1 would have brought it (RFC 9113, 8.3): `Host` for `:authority`, one
 * `Cookie`, and a body of unknown length as chunked. The stream itself is the request's body.
 * `check` throws GatewayError payload_invalid, headers_too_large for what a server of HTTP/1.1 would not have let through.
 */
export function createHttp2Request(
  stream: ServerHttp2Stream,
  merged: IncomingHttpHeaders,
  received: readonly string[],
  socket: Socket,
): Http2Request {
  const { pseudo, rawHeaders, hosts } = sort(received)
  const headers = Object.fromEntries(Object.entries(merged).filter(([name]) => !name.startsWith(':')))
  const host = pseudo.get(':authority') ?? hosts[0]
  if (host !== undefined) {
    headers.host = host
    rawHeaders.unshift('host', host)
  }
  if (!stream.endAfterHeaders && headers['content-length'] === undefined) {
    headers['transfer-encoding'] = 'chunked'
    rawHeaders.push('transfer-encoding', 'chunked')
  }
  const method = pseudo.get(':method') ?? ''
  const head = {
    // Any token is a method here, and a client could make up as many as it likes for our metrics.
    method: METHODS.includes(method) ? method : 'UNKNOWN',
    url: pseudo.get(':path') ?? '',
    headers,
    rawHeaders,
    httpVersion: '1.1',
    socket,
  } satisfies Partial<IncomingMessage>
  Object.defineProperty(stream, 'id', { value: undefined, writable: true }) // pino-http wants to set it
  const request = Object.assign(stream, head) as unknown as IncomingMessage
  return { request, check: () => checkHead(request, pseudo, hosts, received) }
}

/** As RFC 9113 counts a header list (6.5.2). In bytes. @param received alternating names and values */
export function headSize(received: readonly string[]): number {
  return received.reduce((sum, part) => sum + part.length + 16, 0)
}

function sort(received: readonly string[]) {
  const pseudo = new Map<string, string>()
  const rawHeaders: string[] = []
  const hosts: string[] = []
  let cookieAt: number | undefined
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i]!
    const value = received[i + 1]!
    if (name.startsWith(':')) pseudo.set(name, value)
    else if (name === 'host') hosts.push(value)
    else if (name === 'cookie' && cookieAt !== undefined)
      rawHeaders[cookieAt] += `; ${value}` // RFC 9113, 8.2.3
    else {
      if (name === 'cookie') cookieAt = rawHeaders.length + 1
      rawHeaders.push(name, value)
    }
  }
  return { pseudo, rawHeaders, hosts }
}

/**
 * nghttp2 has refused what RFC 9113 (8.2, 8.3) calls malformed, headers for one connection above all. A regular header
 * whose name or value has characters that none may have is left out by it, without a word to us.
 */
function checkHead(
  request: IncomingMessage,
  pseudo: ReadonlyMap<string, string>,
  hosts: readonly string[],
  received: readonly string[],
): void {
  checkHeaderCount(request)
  const size = received.reduce((sum, part) => sum + part.length + 2, 0)
  if (size > http1Limits.maxHeaderSize) throw new GatewayError('headers_too_large', `${size} bytes of headers`)
  const { method, url = '', headers } = request
  if (method === 'UNKNOWN') throw invalid('an unknown method')
  if (method === 'CONNECT') throw invalid('CONNECT') // nobody's way to other hosts
  const scheme = pseudo.get(':scheme')
  if (scheme !== 'https' && scheme !== 'http') throw invalid('a scheme that is not HTTP')
  const isPath = url.startsWith('/') || (url === '*' && method === 'OPTIONS')
  if (!isPath) throw invalid('a target that is no path')
  if (/[^\x21-\x7e\x80-\xff]/.test(url)) throw invalid('a blank or a control character in the target')
  if (headers.host === undefined) throw invalid('no :authority and no Host')
  if (!/^[^\x00-\x20\x7f@/?#\\]+$/.test(headers.host)) throw invalid('an :authority that is not a host')
  const isOther = (host: string) => host.toLowerCase() !== headers.host?.toLowerCase()
  if (hosts.length > 1 || hosts.some(isOther)) throw invalid('a Host beside :authority that is another')
}

function invalid(detail: string): GatewayError {
  return new GatewayError('payload_invalid', detail)
}

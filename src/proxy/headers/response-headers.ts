import { hopByHopHeaders } from '../../../config/header-names.ts'
import { GatewayError } from '../../http/errors.ts'
import { addConnectionOptions, withoutHeaders } from '../../http/headers.ts'
import type { PrivateCookies } from './cookies.ts'

export type BuildResponseHeaders = (rawHeaders: readonly (Buffer | string)[], status: number) => string[]

/**
 * Converts an upstream's raw headers to those for the client, as alternating names and values, with duplicates and case
 * preserved. Used for final, informational (1xx) and 101 responses, because none of them may set elastauth's cookies.
 * Throws GatewayError upstream_protocol if a final response has a transfer coding that nothing has decoded: the client
 * would read the coded bytes as the content, since Transfer-Encoding is for one connection only.
 */
export function createBuildResponseHeaders({ isSetBy }: Pick<PrivateCookies, 'isSetBy'>): BuildResponseHeaders {
  return function buildResponseHeaders(rawHeaders, status) {
    const headers: string[] = []
    let named: Set<string> | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = textOf(rawHeaders[i]!)
      const value = textOf(rawHeaders[i + 1]!)
      const lower = name.toLowerCase()
      checkTransferCoding(lower, value, status)
      if (lower === 'connection') named = addConnectionOptions(named, value)
      if (isStripped(lower, status) || (lower === 'set-cookie' && isSetBy(value))) continue
      headers.push(name, value)
    }
    if (named === undefined) return headers
    named.delete('content-length') // kept even if Connection names it, because it frames the body
    return withoutHeaders(headers, named)
  }
}

function isStripped(name: string, status: number): boolean {
  return hopByHopHeaders.has(name) || (name === 'content-length' && hasNoLength(status))
}

/** Throws if the HTTP client has not removed the transfer coding of a final response (RFC 9112, section 7). */
function checkTransferCoding(name: string, value: string, status: number): void {
  if (name !== 'transfer-encoding' || status < 200 || /^(?:chunked|identity)$/i.test(value)) return
  throw new GatewayError('upstream_protocol', 'the upstream sent a Transfer-Encoding other than chunked')
}

/** Whether a response with this status must not have a Content-Length (RFC 9110, section 8.6). */
function hasNoLength(status: number): boolean {
  return status < 200 || status === 204
}

function textOf(part: Buffer | string): string {
  return typeof part === 'string' ? part : part.toString('latin1')
}

import { type Header, headersOf, type RawResponse } from '../../support/raw-http.ts'
import { type Original, type SubRequest, without } from '../message.ts'

/** A reverse proxy as the forward-auth server sees it. */
export type Caller = Readonly<{
  name: string
  /** How the proxy interprets a response. `error`: it sends the client an error of its own. */
  verdictFor: (response: Pick<RawResponse, 'status'>) => Verdict
  subRequestFor: (original: Original, server: Server) => SubRequest
}>

export type Verdict = 'allow' | 'deny' | 'error'

export type Server = Readonly<{
  url: URL
  /** The prefix before the client's path, for a caller that appends the path. */
  pathPrefix: string
  /** Names of headers that the proxy is configured to forward, where it forwards none by default. */
  passed: readonly string[]
}>

/** The client's address in all cases (RFC 5737). */
export const clientAddress = '192.0.2.10'

/** Hop-by-hop headers (RFC 9110, section 7.6.1), as Go's proxies choose them. */
const hopByHop = ['Connection', 'Keep-Alive', 'Te', 'Trailers', 'Transfer-Encoding', 'Upgrade']

/** The original's end-to-end headers, without those that describe its body. */
export function endToEnd(original: Original): Header[] {
  const { headers } = original
  const named = headersOf(original, 'Connection').flatMap((value) => value.split(',').map((name) => name.trim()))
  return without(headers, [...hopByHop, ...named, 'Host', 'Content-Length'])
}

/** Sets headers, and removes the client's headers with these names. */
export function replacing(headers: readonly Header[], own: readonly Header[]): Header[] {
  return [
    ...without(
      headers,
      own.map(([name]) => name),
    ),
    ...own,
  ]
}

/** Joins repeated headers into one. */
export function joined(headers: readonly Header[], separator: string): Header[] {
  const names = [...new Set(headers.map(([name]) => name.toLowerCase()))]
  return names.map((name) => [name, headersOf({ headers }, name).join(separator)])
}

/** Most callers use one address for any path of the original. */
export function fixedTarget({ pathname, search }: URL): string {
  return pathname + search
}

/** 2xx allows; the client gets any other response as it is. */
export function verdictByClass({ status }: Pick<RawResponse, 'status'>): Verdict {
  if (status >= 200 && status < 300) return 'allow'
  return status >= 300 && status < 500 ? 'deny' : 'error'
}

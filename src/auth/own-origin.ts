import type { IncomingMessage } from 'node:http'
import { type OriginalRequestSource, readSource } from './original-request.ts'

/** The origin under which browsers know us, as far as a request tells. */
export type OwnOrigin = Readonly<{
  /** Undefined where nothing says so: without TLS of our own, a proxy before us may have ended it. */
  scheme: string | undefined
  /** With the port, if it is not the scheme's own. */
  host: string
}>

export type OwnOriginOf = (request: IncomingMessage) => OwnOrigin | undefined

/** The configured redirect URL's origin; else what a trusted proxy says of the original request; else what the request itself says. */
export function createOwnOriginOf(
  redirectUrl: string | undefined,
  isTrusted: (request: IncomingMessage) => boolean,
  source: OriginalRequestSource,
): OwnOriginOf {
  const configured = redirectUrl === undefined ? undefined : originOfUrl(redirectUrl)
  return function ownOriginOf(request) {
    if (configured !== undefined) return configured
    const said = isTrusted(request) ? readSource(request, source) : {}
    const host = said.host ?? request.headers.host
    const scheme = said.scheme ?? ('encrypted' in request.socket ? 'https' : undefined)
    return host === undefined ? undefined : { scheme, host }
  }
}

export function originOfUrl(url: string): OwnOrigin {
  const { protocol, host } = new URL(url)
  return { scheme: protocol.slice(0, -1), host }
}

const hostPattern = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** As browsers write it in `Origin`; undefined for what makes none. @param assumedScheme where our own is unknown */
export function toOrigin(own: OwnOrigin, assumedScheme: string): string | undefined {
  const { scheme = assumedScheme, host } = own
  if (!hostPattern.test(host) || !/^https?$/.test(scheme)) return undefined
  return URL.parse(`${scheme}://${host}`)?.origin
}

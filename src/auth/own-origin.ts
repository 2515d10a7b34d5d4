import type { RequestContext } from '../http/request-context.ts'
import { type OriginalRequestSource, readReportedRequest } from './original-request.ts'

/** The origin at which browsers reach elastauth, derived from a request. */
export type OwnOrigin = Readonly<{
  /** Undefined if unknown: without TLS on the connection, a proxy in front of elastauth may have terminated TLS. */
  scheme: string | undefined
  /** Includes the port, unless the port is the scheme's default. */
  host: string
}>

export type OwnOriginOf = (context: RequestContext) => OwnOrigin | undefined

/**
 * The returned function derives the origin from the configured redirect URL, otherwise from the original request that a trusted
 * proxy describes, otherwise from the request itself.
 */
export function createOwnOriginOf(redirectUrl: string | undefined, source: OriginalRequestSource): OwnOriginOf {
  const configured = redirectUrl === undefined ? undefined : originOfUrl(redirectUrl)
  return function ownOriginOf({ request, isTrusted }) {
    if (configured !== undefined) return configured
    const reported = isTrusted ? readReportedRequest(request, source) : {}
    const host = reported.host ?? request.headers.host
    const scheme = reported.scheme ?? ('encrypted' in request.socket ? 'https' : undefined)
    return host === undefined ? undefined : { scheme, host }
  }
}

export function originOfUrl(url: string): OwnOrigin {
  const { protocol, host } = new URL(url)
  return { scheme: protocol.slice(0, -1), host }
}

const hostPattern = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/**
 * Formats an origin as browsers do in the `Origin` header; undefined if the host or the scheme is invalid.
 * @param assumedScheme used if the scheme is unknown
 */
export function toOrigin(own: OwnOrigin, assumedScheme: string): string | undefined {
  const { scheme = assumedScheme, host } = own
  if (!hostPattern.test(host) || !/^https?$/.test(scheme)) return undefined
  return URL.parse(`${scheme}://${host}`)?.origin
}

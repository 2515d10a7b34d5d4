import type { IncomingMessage } from 'node:http'
import { type OriginalRequestSource, readReportedRequest } from './original-request.ts'

/** The origin at which browsers reach elastauth, as far as the request shows it. */
export type OwnOrigin = Readonly<{
  /** Undefined if unknown: without TLS here, a proxy in front of us may have terminated it. */
  scheme: string | undefined
  /** With the port, unless it is the scheme's default. */
  host: string
}>

export type OwnOriginOf = (request: IncomingMessage) => OwnOrigin | undefined

/** The origin of the configured redirect URL; else that of the original request as a trusted proxy describes it; else that of the request itself. */
export function createOwnOriginOf(
  redirectUrl: string | undefined,
  isTrusted: (request: IncomingMessage) => boolean,
  source: OriginalRequestSource,
): OwnOriginOf {
  const configured = redirectUrl === undefined ? undefined : originOfUrl(redirectUrl)
  return function ownOriginOf(request) {
    if (configured !== undefined) return configured
    const reported = isTrusted(request) ? readReportedRequest(request, source) : {}
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

/** As browsers send it in `Origin`; undefined if the host or the scheme cannot be one. @param assumedScheme used if the scheme is unknown */
export function toOrigin(own: OwnOrigin, assumedScheme: string): string | undefined {
  const { scheme = assumedScheme, host } = own
  if (!hostPattern.test(host) || !/^https?$/.test(scheme)) return undefined
  return URL.parse(`${scheme}://${host}`)?.origin
}

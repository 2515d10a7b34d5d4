import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type OwnOrigin, toOrigin } from './own-origin.ts'

/** The site whose page made a request; `unknown` if the browser does not say, or the client is not a browser. */
export type RequestSite = 'same-origin' | 'cross-site' | 'unknown'

/**
 * `Sec-Fetch-Site` takes precedence: scripts cannot set it, and proxies do not change it. Without it (older browsers, pages
 * without TLS) `Origin` decides, which browsers send with every write and WebSocket, then `Referer`. `same-site` counts as
 * cross-site: it means another host or port of the same domain.
 */
export function requestSite(headers: IncomingHttpHeaders, ownOrigin: OwnOrigin | undefined): RequestSite {
  const site = headers['sec-fetch-site']
  if (site) return site === 'same-origin' || site === 'none' ? 'same-origin' : 'cross-site'
  const source = headers.origin ?? headers.referer
  if (source === undefined) return 'unknown'
  return isOwn(source, ownOrigin) ? 'same-origin' : 'cross-site'
}

/** If our own scheme is unknown, because TLS may end at a proxy that does not report it, the host decides. */
function isOwn(source: string, ownOrigin: OwnOrigin | undefined): boolean {
  const url = URL.parse(source)
  if (url === null || ownOrigin === undefined) return false
  return toOrigin(ownOrigin, url.protocol.slice(0, -1)) === url.origin
}

/**
 * Whether another site's page made a request that may change something (CSRF, cross-site WebSocket hijacking). Safe methods
 * (RFC 9110, 9.2.1) are allowed from any site: the same-origin policy hides their responses from other pages.
 */
export function createIsCrossSiteWrite(ownOriginOf: (request: IncomingMessage) => OwnOrigin | undefined) {
  return function isCrossSiteWrite(request: IncomingMessage): boolean {
    if (isSafe(request)) return false
    return requestSite(request.headers, ownOriginOf(request)) === 'cross-site'
  }
}

/** For a sub-request, both its own method and the original one have to be safe. */
function isSafe({ method, headers }: IncomingMessage): boolean {
  return (
    isSafeMethod(method) &&
    isSafeMethod(headers['x-forwarded-method']) &&
    isSafeMethod(headers['x-original-method']) &&
    !isWebSocket(headers)
  )
}

function isSafeMethod(method: string | string[] | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === undefined
}

/** Proxies strip `Upgrade` from their sub-requests, but keep the other WebSocket headers. */
export function isWebSocket(headers: IncomingHttpHeaders): boolean {
  return headers.upgrade !== undefined || headers['sec-websocket-key'] !== undefined
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type OwnOrigin, toOrigin } from './own-origin.ts'

/**
 * The site whose page made a request. `same-site` (another host or port of the same domain) counts as `cross-site`. `unknown`
 * if the headers do not say, as with clients that are not browsers.
 */
export type RequestSite = 'same-origin' | 'cross-site' | 'unknown'

/**
 * `Sec-Fetch-Site` takes precedence: scripts cannot set it, and proxies do not change it. Without it (older browsers, pages
 * without TLS) `Origin` decides, which browsers send with every write and WebSocket, then `Referer`.
 */
export function requestSite(headers: IncomingHttpHeaders, ownOrigin: OwnOrigin | undefined): RequestSite {
  const site = headers['sec-fetch-site']
  if (site) return site === 'same-origin' || site === 'none' ? 'same-origin' : 'cross-site'
  const source = headers.origin ?? headers.referer
  if (source === undefined) return 'unknown'
  return isOwnOrigin(source, ownOrigin) ? 'same-origin' : 'cross-site'
}

/** If our own scheme is unknown, because TLS may end at a proxy that does not report it, only host and port are compared. */
function isOwnOrigin(source: string, ownOrigin: OwnOrigin | undefined): boolean {
  const url = URL.parse(source)
  if (url === null || ownOrigin === undefined) return false
  return toOrigin(ownOrigin, url.protocol.slice(0, -1)) === url.origin
}

/**
 * CSRF protection: `isCrossSiteWrite` tells whether another site's page made a request that may change something, or opens a
 * WebSocket (cross-site WebSocket hijacking). Safe methods (RFC 9110, section 9.2.1) are allowed from any site: the same-origin
 * policy hides their responses from other pages.
 */
export function createIsCrossSiteWrite(ownOriginOf: (request: IncomingMessage) => OwnOrigin | undefined) {
  return function isCrossSiteWrite(request: IncomingMessage): boolean {
    if (isSafeRequest(request)) return false
    return requestSite(request.headers, ownOriginOf(request)) === 'cross-site'
  }
}

/** A sub-request is safe only if both its own method and the original request's method are. */
function isSafeRequest({ method, headers }: IncomingMessage): boolean {
  return (
    isSafeMethod(method) &&
    isSafeMethod(headers['x-forwarded-method']) &&
    isSafeMethod(headers['x-original-method']) &&
    !mayOpenWebSocket(headers)
  )
}

function isSafeMethod(method: string | string[] | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === undefined
}

/**
 * Whether a request or the original request of a sub-request may open a WebSocket, or any other upgrade. Proxies strip `Upgrade`,
 * a hop-by-hop header, from their sub-requests, but keep the other WebSocket headers. For the question whether to open a tunnel,
 * see `isWebSocketUpgrade` in proxy/websocket/upgrade.ts, which is exact: in doubt, this one says yes and that one no.
 */
export function mayOpenWebSocket(headers: IncomingHttpHeaders): boolean {
  return headers.upgrade !== undefined || headers['sec-websocket-key'] !== undefined
}

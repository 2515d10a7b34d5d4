import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { RequestContext } from '../http/request-context.ts'
import { type OwnOrigin, type OwnOriginOf, toOrigin } from './own-origin.ts'

/**
 * The site whose page made a request. `same-site` (another host or port of the same domain) counts as `cross-site`. `unknown`
 * means that the headers do not name a site; clients that are not browsers send no such headers.
 */
export type RequestSite = 'same-origin' | 'cross-site' | 'unknown'

/**
 * `Sec-Fetch-Site` takes precedence: scripts cannot set it, and proxies do not change it. Without this header (older browsers,
 * pages without TLS), `Origin` decides, which browsers send with every write and WebSocket, then `Referer`.
 */
export function requestSite(headers: IncomingHttpHeaders, ownOrigin: OwnOrigin | undefined): RequestSite {
  const site = headers['sec-fetch-site']
  if (site) return site === 'same-origin' || site === 'none' ? 'same-origin' : 'cross-site'
  const source = headers.origin ?? headers.referer
  if (source === undefined) return 'unknown'
  return isOwnOrigin(source, ownOrigin) ? 'same-origin' : 'cross-site'
}

/** Compares only host and port if elastauth's own scheme is unknown, because a proxy may terminate TLS without reporting the scheme. */
function isOwnOrigin(source: string, ownOrigin: OwnOrigin | undefined): boolean {
  const url = URL.parse(source)
  if (url === null || ownOrigin === undefined) return false
  return toOrigin(ownOrigin, url.protocol.slice(0, -1)) === url.origin
}

/**
 * CSRF protection: `isCrossSiteWrite` is true if another site's page sends an unsafe request or opens a WebSocket (cross-site
 * WebSocket hijacking). Safe methods (RFC 9110, section 9.2.1) are allowed from any site, because the same-origin policy hides
 * the responses from other pages.
 */
export function createIsCrossSiteWrite(ownOriginOf: OwnOriginOf) {
  return function isCrossSiteWrite(context: RequestContext): boolean {
    const { request } = context
    if (isSafeRequest(request)) return false
    return requestSite(request.headers, ownOriginOf(context)) === 'cross-site'
  }
}

/** A sub-request is safe only if its own method and the method of the original request are both safe. */
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
 * Whether a request or the original request of a sub-request may open a WebSocket, or any other upgrade. Proxies strip
 * `Upgrade`, a hop-by-hop header, from their sub-requests, but keep the other WebSocket headers. In doubt this check returns
 * true; `isWebSocketUpgrade` in proxy/websocket/upgrade.ts, which decides whether to open a tunnel, returns false.
 */
export function mayOpenWebSocket(headers: IncomingHttpHeaders): boolean {
  return headers.upgrade !== undefined || headers['sec-websocket-key'] !== undefined
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type OwnOrigin, toOrigin } from './own-origin.ts'

/** The site whose page made a request; `unknown` where the browser does not say so, or the client is no browser. */
export type RequestSite = 'same-origin' | 'cross-site' | 'unknown'

/**
 * `Sec-Fetch-Site` decides where there is one: no script can set it, and no proxy changes what it says. Without it (older
 * browsers, pages without TLS) `Origin` does, which comes with every write and WebSocket, then `Referer`.
 * `same-site` counts as cross-site: another host or port of the same domain is not us.
 */
export function requestSite(headers: IncomingHttpHeaders, ownOrigin: OwnOrigin | undefined): RequestSite {
  const site = headers['sec-fetch-site']
  if (site) return site === 'same-origin' || site === 'none' ? 'same-origin' : 'cross-site'
  const source = headers.origin ?? headers.referer
  if (source === undefined) return 'unknown'
  return isOwn(source, ownOrigin) ? 'same-origin' : 'cross-site'
}

/** Where our own scheme is unknown, because TLS may end at a proxy that does not say so, the host decides. */
function isOwn(source: string, ownOrigin: OwnOrigin | undefined): boolean {
  const url = URL.parse(source)
  if (url === null || ownOrigin === undefined) return false
  return toOrigin(ownOrigin, url.protocol.slice(0, -1)) === url.origin
}

/**
 * Whether another site's page made a request that may change something (CSRF, cross-site WebSocket hijacking). Safe methods
 * (RFC 9110, 9.2.1) may come from everywhere: the same-origin policy keeps their responses from other pages.
 */
export function createIsCrossSiteWrite(ownOriginOf: (request: IncomingMessage) => OwnOrigin | undefined) {
  return function isCrossSiteWrite(request: IncomingMessage): boolean {
    if (isSafe(request)) return false
    return requestSite(request.headers, ownOriginOf(request)) === 'cross-site'
  }
}

/** Of a sub-request, its own method and the one that it asks about have to be safe, whichever header says so. */
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

/** Proxies strip `Upgrade` from their sub-requests, and keep the rest. */
export function isWebSocket(headers: IncomingHttpHeaders): boolean {
  return headers.upgrade !== undefined || headers['sec-websocket-key'] !== undefined
}

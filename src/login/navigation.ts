import type { IncomingHttpHeaders } from 'node:http'
import { mayOpenWebSocket } from '../auth/csrf.ts'
import { isHtml } from '../http/media-type.ts'

/**
 * Whether a request is a page navigation, so that a redirect to the provider leads to a sign-in (see the table in
 * docs/oidc.md). Other requests (scripts, frames, prefetches) get 401, because the user would not see the sign-in page.
 * @param method of the original request
 */
export function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false // the body would be lost in the redirects
  if (mayOpenWebSocket(headers) || headers.authorization !== undefined) return false
  if (isScripted(headers) || isPrefetch(headers)) return false
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate' && headers['sec-fetch-dest'] === 'document'
  // For requests without Sec-Fetch-Mode: from older browsers, and from all browsers on pages without TLS.
  return isHtml(headers.accept ?? '')
}

/** Whether the browser sent the request before the user clicked. */
function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return [headers['sec-purpose'], headers.purpose, headers['x-purpose'], headers['x-moz']].some(
    (purpose) => typeof purpose === 'string' && /prefetch|prerender|preview/i.test(purpose),
  )
}

/** Only scripts set these headers; Kibana's scripts set `kbn-xsrf` and `kbn-version`. */
function isScripted(headers: IncomingHttpHeaders): boolean {
  return (
    headers['x-requested-with'] !== undefined ||
    headers['kbn-xsrf'] !== undefined ||
    headers['kbn-version'] !== undefined
  )
}

import type { IncomingHttpHeaders } from 'node:http'
import { isWebSocket } from '../auth/csrf.ts'

/**
 * Whether a request is a person's who looks at a page, so that a redirect to the provider leads to a login. The table is
 * in docs/oidc.md. Anything else (a script's call, a frame, a prefetch) hears 401: a redirect would be followed unseen,
 * to a page that answers with HTML where JSON is expected, or that refuses to stand in a frame.
 * @param method of the request that was asked for
 */
export function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false // a body could not be sent again after the login
  if (isWebSocket(headers) || headers.authorization !== undefined) return false
  if (isScripted(headers) || isPrefetch(headers)) return false
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return acceptsHtml(headers.accept)
}

/** Whether a browser asks before anybody has clicked. */
function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return [headers['sec-purpose'], headers.purpose, headers['x-purpose'], headers['x-moz']].some(
    (purpose) => typeof purpose === 'string' && /prefetch|prerender|preview/i.test(purpose),
  )
}

/** Headers that only scripts set; Kibana's among them. */
function isScripted(headers: IncomingHttpHeaders): boolean {
  return (
    headers['x-requested-with'] !== undefined ||
    headers['kbn-xsrf'] !== undefined ||
    headers['kbn-version'] !== undefined
  )
}

/** For what does not say `Sec-Fetch-Mode`: older browsers, and all of them without TLS. */
function acceptsHtml(accept: string | undefined): boolean {
  return accept !== undefined && /^\s*(?:text\/html|application\/xhtml\+xml)\s*(?:;|,|$)/i.test(accept)
}

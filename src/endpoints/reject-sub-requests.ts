import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'

/**
 * A page that answers its readers and no forward-auth sub-request. Some callers pass the original path on (Envoy, or
 * nginx with `$request_uri`): the 200 of a page that everybody may read would let a stranger through to that very path
 * of the service behind. Nothing there is called `/elastauth/…`, so the verdict is no, whoever asks.
 * Throws GatewayError not_permitted.
 */
export function rejectSubRequests(page: Handler): Handler {
  return function answerReader(request) {
    if (isSubRequest(request))
      throw new GatewayError('not_permitted', 'a forward-auth question about a page of our own')
    return page(request)
  }
}

/** Says what somebody else was asked: Traefik and Caddy do so by the first two, nginx's users by the others. */
const marks = ['x-forwarded-uri', 'x-forwarded-method', 'x-original-url', 'x-original-uri', 'x-original-method']

/** Whether a request for a page of our own is a sub-request all the same. */
export function isSubRequest({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return marks.some((name) => name in headers) || isEnvoyQuestion(headers)
}

/**
 * Envoy's ext_authz marks its own sub-requests as internal, and sends `Content-Length: 0` even with GET, or a header of its own
 * with `with_request_body`. A POST that Envoy routes to us, such as a back-channel logout, has another length.
 */
function isEnvoyQuestion(headers: IncomingMessage['headers']): boolean {
  if (!('x-envoy-internal' in headers)) return false
  return headers['content-length'] === '0' || 'x-envoy-auth-partial-body' in headers
}

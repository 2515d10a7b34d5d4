import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'

/**
 * An endpoint that rejects forward-auth sub-requests. Some proxies send the original path (Envoy, or nginx with
 * `$request_uri`): the 200 of a public endpoint would let an unauthenticated client through to the same path of the
 * protected service. Paths below `/elastauth/` belong to elastauth, so access to them is always denied.
 * Throws GatewayError not_permitted.
 */
export function rejectSubRequests(handle: Handler): Handler {
  return function handleDirectRequest(request) {
    if (isSubRequest(request))
      throw new GatewayError('not_permitted', 'a forward-auth sub-request for an endpoint of elastauth')
    return handle(request)
  }
}

/**
 * Headers that describe the original request: Traefik and Caddy send the first two, nginx configurations usually the
 * others.
 */
const originalRequestHeaders = [
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-original-url',
  'x-original-uri',
  'x-original-method',
]

/** Whether a request for an endpoint of elastauth is a sub-request. */
export function isSubRequest({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return originalRequestHeaders.some((name) => name in headers) || isEnvoySubRequest(headers)
}

/**
 * Envoy's ext_authz marks its sub-requests as internal, and sends `Content-Length: 0` even with GET, or with
 * `with_request_body` a header of its own. A POST that Envoy forwards to elastauth, such as a back-channel logout, has
 * another length.
 */
function isEnvoySubRequest(headers: IncomingMessage['headers']): boolean {
  if (!('x-envoy-internal' in headers)) return false
  return headers['content-length'] === '0' || 'x-envoy-auth-partial-body' in headers
}

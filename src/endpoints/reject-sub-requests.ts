import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'

/**
 * Wraps an endpoint to reject forward-auth sub-requests. Some proxies send a sub-request with the original path (Envoy,
 * or nginx with `$request_uri`). A public endpoint's 200 would then grant an unauthenticated client access to the same
 * path of the protected service. Throws GatewayError not_permitted.
 */
export function rejectSubRequests(handle: Handler): Handler {
  return function handleDirectRequest(context) {
    if (isSubRequest(context.request))
      throw new GatewayError('not_permitted', 'a forward-auth sub-request for an endpoint of elastauth')
    return handle(context)
  }
}

/**
 * Headers in which a sub-request describes the original request. Traefik and Caddy send the first two, nginx
 * configurations usually the others.
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
 * Whether Envoy's ext_authz sent the request. It marks sub-requests as internal and sends `Content-Length: 0` even with
 * GET, or a header of its own with `with_request_body`. A POST that Envoy forwards to elastauth, such as a back-channel
 * logout, has another length.
 */
function isEnvoySubRequest(headers: IncomingMessage['headers']): boolean {
  if (!('x-envoy-internal' in headers)) return false
  return headers['content-length'] === '0' || 'x-envoy-auth-partial-body' in headers
}

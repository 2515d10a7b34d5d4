import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Authenticate, AuthenticatedUser } from '../auth/authenticate.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { originForm } from '../http/target.ts'
import { checkFraming } from './headers/framing.ts'
import type { BuildUpstreamHeaders } from './headers/request-headers.ts'
import { changesUserPassword } from './password-change.ts'
import { stripPath } from './routing/routes.ts'
import type { ProxyRoute, Routing } from './routing/routing.ts'

export type PrepareRequestOptions = Readonly<{
  routing: Pick<Routing, 'pickRoute'>
  authenticate: Authenticate
  /** Whether the connection can be reset, so that the client detects a truncated response. */
  canReset: (socket: Socket) => boolean
  buildUpstreamHeaders: BuildUpstreamHeaders
}>

/** A request that has passed all checks, with its route and the path to request from the upstream. */
export type PreparedRequest = Readonly<{
  route: ProxyRoute
  path: string
  /** Undefined on a route with `auth: none`. */
  authenticated: AuthenticatedUser | undefined
  buildHeaders: (authorization: string | undefined) => string[]
}>

/** Throws, or rejects with, GatewayError. */
export type PrepareRequest = (context: RequestContext) => Promise<PreparedRequest>

/** The steps that requests and upgrades share: framing checks, route, authentication, upstream headers. */
export function createPrepareRequest(options: PrepareRequestOptions): PrepareRequest {
  const { routing, authenticate, canReset, buildUpstreamHeaders } = options

  return async function prepareRequest(context) {
    const { request } = context
    checkFraming(request)
    checkForwardable(request, canReset)
    const target = originForm(request.url ?? '/')! // checkFraming rejects all other forms
    const route = routing.pickRoute(request.headers.host ?? '', target)
    if (route === undefined) throw new GatewayError('not_found', 'no route matches this host and path')
    const path = route.strip_path ? stripPath(target, route.path) : target
    const authenticated = route.auth === 'required' ? await authenticate(context) : undefined
    if (authenticated !== undefined && changesUserPassword(target)) throw passwordChangeDenied(authenticated)
    return { route, path, authenticated, buildHeaders: headerBuilder(context, route) }
  }

  function headerBuilder(context: RequestContext, route: ProxyRoute): PreparedRequest['buildHeaders'] {
    const { socket, rawHeaders } = context.request
    return (authorization) =>
      buildUpstreamHeaders(rawHeaders, {
        remoteAddress: socket.remoteAddress,
        requestId: context.id,
        isEncrypted: 'encrypted' in socket,
        isTrusted: context.isTrusted,
        authorization,
        routeHeaders: route.headers,
      })
  }
}

function checkForwardable(
  { method, httpVersion, socket }: IncomingMessage,
  canReset: PrepareRequestOptions['canReset'],
): void {
  // The upstream's response would reveal the credential that elastauth adds (RFC 9110, section 9.3.8).
  if (method === 'TRACE')
    throw new GatewayError('method_not_allowed', 'TRACE is not forwarded', { allow: forwardedMethods })
  if (httpVersion === '1.0' && !canReset(socket)) throw truncationUndetectable()
}

const forwardedMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

/** Defense in depth: users who know their own password would keep their access after elastauth has revoked it. */
function passwordChangeDenied({ identity: { username } }: AuthenticatedUser): GatewayError {
  return new GatewayError('password_change_denied', 'a request to change the password of a user', { username })
}

/**
 * An HTTP/1.0 response without a length ends with the connection (RFC 9112, section 6.3), so only a reset reveals that
 * it was truncated. elastauth can reset TCP connections without TLS only.
 */
function truncationUndetectable(): GatewayError {
  return new GatewayError(
    'http_version_unsupported',
    'HTTP/1.0 over a unix socket or TLS, where a client cannot detect a truncated response: use HTTP/1.1 (nginx: proxy_http_version 1.1)',
  )
}

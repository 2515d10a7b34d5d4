import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { Authenticate, AuthenticatedUser } from '../auth/authenticate.ts'
import type { Identity } from '../auth/identity.ts'
import type { Subject } from '../auth/subject.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { originForm } from '../http/target.ts'
import { checkFraming } from './headers/framing.ts'
import { createIdentityHeaders } from './headers/identity-headers.ts'
import type { BuildUpstreamHeaders } from './headers/request-headers.ts'
import { changesUserPassword } from './password-change.ts'
import { stripPath } from './routing/routes.ts'
import type { ProxyRoute, Routing } from './routing/routing.ts'

export type PrepareRequestOptions = Readonly<{
  routing: Pick<Routing, 'pickRoute'>
  authenticate: Authenticate
  /** For routes that forward no credential. */
  resolveSubject: Authenticate<Subject>
  /** Whether the connection can be reset, so that the client detects a truncated response. */
  canReset: (socket: Socket) => boolean
  buildUpstreamHeaders: BuildUpstreamHeaders
}>

/** A request that has passed all checks, with its route and the path to request from the upstream. */
export type PreparedRequest = Readonly<{
  route: ProxyRoute
  path: string
  /** Undefined on a route with `auth: none`. */
  identity: Identity | undefined
  /** Undefined on a route that does not forward the user's credential. */
  authenticated: AuthenticatedUser | undefined
  buildHeaders: (authorization: string | undefined) => string[]
}>

/** Returns a promise only if authentication needs I/O. Throws, or rejects with, GatewayError. */
export type PrepareRequest = (context: RequestContext) => MaybePromise<PreparedRequest>

/** The steps that requests and upgrades share: framing checks, route, authentication, upstream headers. */
export function createPrepareRequest(options: PrepareRequestOptions): PrepareRequest {
  const { routing, authenticate, resolveSubject, canReset, buildUpstreamHeaders } = options
  const identityHeadersOf = createIdentityHeaders()

  return function prepareRequest(context) {
    const { request } = context
    checkFraming(request)
    checkForwardable(request, canReset)
    const target = originForm(request.url ?? '/')! // checkFraming rejects all other forms
    const route = routing.pickRoute(request.headers.host ?? '', target)
    if (route === undefined) throw new GatewayError('not_found', 'no route matches this host and path')
    const user = authenticateFor(route, context)
    if (user instanceof Promise) return user.then((one) => prepareFor(one, context, route, target))
    return prepareFor(user, context, route, target)
  }

  function prepareFor(
    user: AuthenticatedUser | Subject | undefined,
    context: RequestContext,
    route: ProxyRoute,
    target: string,
  ): PreparedRequest {
    const path = route.strip_path ? stripPath(target, route.path) : target
    const identity = user?.identity
    if (identity !== undefined) checkPermitted(identity, route, target)
    const authenticated = user !== undefined && 'credential' in user ? user : undefined
    return { route, path, identity, authenticated, buildHeaders: headerBuilder(context, route, identity) }
  }

  function authenticateFor({ auth, credential }: ProxyRoute, context: RequestContext) {
    if (auth === 'none') return undefined
    // Obtaining the credential would write the user to Elasticsearch, which only an upstream with the credential needs.
    return credential === 'none' ? resolveSubject(context) : authenticate(context)
  }

  function headerBuilder(
    context: RequestContext,
    { headers, identity_headers }: ProxyRoute,
    identity: Identity | undefined,
  ): PreparedRequest['buildHeaders'] {
    const { socket, rawHeaders } = context.request
    const ownHeaders = identity_headers && identity ? [...headers, ...identityHeadersOf(identity)] : headers
    return (authorization) =>
      buildUpstreamHeaders(rawHeaders, {
        remoteAddress: socket.remoteAddress,
        requestId: context.id,
        isEncrypted: 'encrypted' in socket,
        isTrusted: context.isTrusted,
        authorization,
        routeHeaders: ownHeaders,
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

function checkPermitted(identity: Identity, { credential, identity_headers }: ProxyRoute, target: string): void {
  const isForPeople = credential === 'none' || identity_headers
  if (isForPeople && identity.credential !== undefined) throw machineNotPermitted(identity)
  if (changesUserPassword(target)) throw passwordChangeDenied(identity)
}

/**
 * An upstream that knows people by name would take the holder of a restricted API key for its owner, and a native user of
 * Elasticsearch for the provider's user of the same name.
 */
function machineNotPermitted({ username }: Identity): GatewayError {
  const detail =
    'a credential of Elasticsearch on a route with credential: none or identity_headers, which is for people only'
  return new GatewayError('not_permitted', detail, { username })
}

/** Defense in depth: users who know their own password would keep their access after elastauth has revoked it. */
function passwordChangeDenied({ username }: Identity): GatewayError {
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

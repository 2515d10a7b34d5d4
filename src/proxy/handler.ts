import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { chain, type MaybePromise } from '../async/maybe-promise.ts'
import type { Authenticate, AuthenticatedUser } from '../auth/authenticate.ts'
import type { Credential } from '../auth/credentials/credentials.ts'
import { GatewayError } from '../http/errors.ts'
import type { StreamedResponse } from '../http/response.ts'
import { originForm } from '../http/target.ts'
import { expectsContinue, hasBody, waitForBody } from './body.ts'
import { sendBufferedResponse } from './buffered-response.ts'
import { forward } from './forward.ts'
import { checkFraming } from './headers/framing.ts'
import type { BuildUpstreamHeaders } from './headers/request-headers.ts'
import type { BuildResponseHeaders } from './headers/response-headers.ts'
import { changesUserPassword } from './password-change.ts'
import { stripPath } from './routing/routes.ts'
import type { ProxyRoute, Routing } from './routing/routing.ts'
import type { Upstream } from './routing/upstreams.ts'

export type ProxyHandlerOptions = Readonly<{
  routing: Routing
  authenticate: Authenticate
  isTrusted: (request: IncomingMessage) => boolean
  /** Whether the connection can be reset, so that the client detects a truncated response. */
  canReset: (socket: Socket) => boolean
  buildHeaders: BuildUpstreamHeaders
  buildResponseHeaders: BuildResponseHeaders
  /** Another credential for one that Elasticsearch refused, if there is one. Never rejects. */
  reissue: (authenticated: AuthenticatedUser) => Promise<Credential | undefined>
}>

/** A request that may go upstream, and how. */
export type PreparedRequest = Readonly<{
  route: ProxyRoute
  path: string
  authenticated: AuthenticatedUser | undefined
  buildHeaders: (authorization: string | undefined) => string[]
}>

/** Throws, or rejects with, GatewayError. */
export type PrepareRequest = (request: IncomingMessage) => MaybePromise<PreparedRequest>

/** Request → route → identity → the headers to go on with: the same for requests and upgrades. */
export function createPrepareRequest({
  routing,
  authenticate,
  isTrusted,
  canReset,
  buildHeaders,
}: ProxyHandlerOptions): PrepareRequest {
  return function admit(request) {
    checkFraming(request)
    // RFC 9110, 9.3.8: the upstream's response would reveal the credential that we add.
    if (request.method === 'TRACE')
      throw new GatewayError('method_not_allowed', 'TRACE is not forwarded', { allow: forwardedMethods })
    if (request.httpVersion === '1.0' && !canReset(request.socket)) throw looksWhole()
    const target = originForm(request.url ?? '/')! // checkFraming rejects all other forms
    const route = routing.pickRoute(request.headers.host ?? '', target)
    if (route === undefined) throw new GatewayError('not_found', 'no route takes this host and path')
    const path = route.strip_path ? stripPath(target, route.path) : target
    return chain(route.auth === 'required' ? authenticate(request) : undefined, (authenticated) => {
      if (authenticated !== undefined && changesUserPassword(target)) throw managed(authenticated)
      return { route, path, authenticated, buildHeaders: headersOf(request, route) }
    })
  }

  function headersOf(request: IncomingMessage, route: ProxyRoute): PreparedRequest['buildHeaders'] {
    const { socket, rawHeaders } = request
    return (authorization) =>
      buildHeaders(rawHeaders, {
        remoteAddress: socket.remoteAddress,
        isEncrypted: 'encrypted' in socket,
        isTrusted: isTrusted(request),
        authorization,
        routeHeaders: route.headers,
      })
  }
}

const forwardedMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

/** Defense in depth: with a password of their own, users would keep their access after elastauth has revoked it. */
function managed({ identity: { username } }: AuthenticatedUser): GatewayError {
  return new GatewayError('password_change_denied', 'a request to change the password of a user', { username })
}

/** In HTTP/1.0 the end of the connection ends a response without a length (RFC 9112, 6.3), unless it is a reset. */
function looksWhole(): GatewayError {
  return new GatewayError(
    'http_version_unsupported',
    'HTTP/1.0 over a unix socket or TLS, where a client cannot detect a truncated response: use HTTP/1.1 (nginx: proxy_http_version 1.1)',
  )
}

/** Proxy mode: every request outside `/elastauth/` is authenticated, then goes on upstream, and the answer streams back. */
export function createProxyHandler(options: ProxyHandlerOptions) {
  const { routing, reissue, buildResponseHeaders } = options
  const admit = createPrepareRequest(options)

  return function proxyRequest(request: IncomingMessage): MaybePromise<StreamedResponse> {
    return chain(admit(request), (admitted) => ({
      username: admitted.authenticated?.identity.username,
      stream: (response) => pass(request, response, admitted),
    }))
  }

  async function pass(request: IncomingMessage, response: ServerResponse, admitted: PreparedRequest): Promise<void> {
    if (hasBody(request) && !expectsContinue(request)) await waitForBody(request, routing.timeoutMs)
    const { route, path, authenticated, buildHeaders } = admitted
    const tried = new Set<Upstream>()
    let authorization = authenticated?.credential.authorization
    let upstream = routing.pickUpstream(route.upstreams, tried)!
    // What the client has sent of a body is gone, so a request that has one goes out once.
    let bufferUnauthorized = authenticated !== undefined && !hasBody(request)
    let isHealed = false
    let onNewConnection = false
    const { timeoutMs: bodyTimeoutMs, clientTimeoutMs } = routing
    for (;;) {
      const headers = buildHeaders(authorization)
      const forwarded = await forward({
        request,
        response,
        upstream,
        path,
        headers,
        onNewConnection,
        buildResponseHeaders,
        bodyTimeoutMs,
        clientTimeoutMs,
        bufferUnauthorized,
      })
      if (forwarded.kind === 'closed') {
        // A new connection cannot fail in this way again.
        onNewConnection = true
        continue
      }
      if (forwarded.kind !== 'unreachable') routing.reportHealth(upstream, true)
      if (forwarded.kind === 'sent') {
        if (response.statusCode === 401 && authenticated && !isHealed) void reissue(authenticated)
        return
      }
      if (forwarded.kind === 'unreachable') {
        if (forwarded.error.code === 'overloaded') {
          response.shouldKeepAlive = false // a client that stays would keep what we lack
          throw forwarded.error
        }
        routing.reportHealth(upstream, false)
        tried.add(upstream)
        const next = routing.pickUpstream(route.upstreams, tried)
        if (next === undefined) throw forwarded.error
        upstream = next
        continue
      }
      const healed = await reissue(authenticated!)
      if (healed === undefined) return sendBufferedResponse(response, forwarded.answer)
      isHealed = true
      authorization = healed.authorization
      bufferUnauthorized = false
    }
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { StreamedAnswer } from '../answer.ts'
import type { Authenticate, Authenticated } from '../auth/authentication.ts'
import type { Credential } from '../auth/credentials.ts'
import { GatewayError } from '../errors.ts'
import { hasBody } from './body.ts'
import { forward } from './forward.ts'
import { checkFraming, originForm } from './framing.ts'
import type { BuildUpstreamHeaders } from './headers.ts'
import { sendHeld } from './held-answer.ts'
import { boundRest } from './rest.ts'
import { stripPath } from './routes.ts'
import type { ProxyRoute, Routing } from './routing.ts'
import { awaitTurn, type Turns } from './turns.ts'
import type { Upstream } from './upstreams.ts'

export type ProxyHandlerOptions = Readonly<{
  routing: Routing
  turns: Turns
  authenticate: Authenticate
  isTrusted: (request: IncomingMessage) => boolean
  buildHeaders: BuildUpstreamHeaders
  /** Another credential for one that Elasticsearch refused, if there is one. Never rejects. */
  heal: (authenticated: Authenticated) => Promise<Credential | undefined>
}>

/** A request that may go upstream, and how. */
export type Admitted = Readonly<{
  route: ProxyRoute
  path: string
  authenticated: Authenticated | undefined
  headersFor: (authorization: string | undefined) => string[]
}>

export type Admit = (request: IncomingMessage) => Promise<Admitted>

/** Request → route → identity → the headers to go on with: the same for requests and upgrades. */
export function createAdmit({ routing, authenticate, isTrusted, buildHeaders }: ProxyHandlerOptions): Admit {
  return async function admit(request) {
    checkFraming(request)
    const target = originForm(request.url ?? '/')
    const route = routing.pickRoute(request.headers.host ?? '', target)
    if (route === undefined) throw new GatewayError('not_found', 'no route takes this host and path')
    const authenticated = route.auth === 'required' ? await authenticate(request) : undefined
    const { socket, rawHeaders } = request
    const headersFor = (authorization: string | undefined) =>
      buildHeaders(rawHeaders, {
        address: socket.remoteAddress,
        encrypted: 'encrypted' in socket,
        trusted: isTrusted(request),
        authorization,
        added: route.headers,
      })
    const path = route.strip_path ? stripPath(target, route.path) : target
    return { route, path, authenticated, headersFor }
  }
}

/** Proxy mode: every request outside `/elastauth/` is authenticated, then goes on upstream, and the answer streams back. */
export function createProxyHandler(options: ProxyHandlerOptions) {
  const { routing, turns, heal } = options
  const admit = createAdmit(options)

  return async function proxyRequest(request: IncomingMessage): Promise<StreamedAnswer> {
    const answered = turns.enter(request.socket)
    const leave = () => {
      answered()
      boundRest(request, routing.timeout)
    }
    try {
      const admitted = await admit(request)
      return {
        username: admitted.authenticated?.identity.username,
        stream: (response) => pass(request, response, admitted).finally(leave),
      }
    } catch (error) {
      leave()
      throw error
    }
  }

  async function pass(request: IncomingMessage, response: ServerResponse, admitted: Admitted): Promise<void> {
    const turn = awaitTurn(request, response)
    if (turn !== undefined) await turn
    const { route, path, authenticated, headersFor } = admitted
    const tried = new Set<Upstream>()
    let authorization = authenticated?.credential.authorization
    let upstream = routing.pickUpstream(route.upstreams, tried)!
    // What the client has sent of a body is gone, so a request that has one goes out once.
    let holdRefusal = authenticated !== undefined && !hasBody(request)
    let isHealed = false
    const { timeout: patience, clientTimeout } = routing
    for (;;) {
      const end = upstream.begin()
      const headers = headersFor(authorization)
      const exchange = { request, response, upstream, path, headers, patience, clientTimeout, holdRefusal }
      const forwarded = await forward(exchange).finally(end)
      if (forwarded.kind !== 'unreachable') routing.report(upstream, true)
      if (forwarded.kind === 'sent') {
        if (response.statusCode === 401 && authenticated && !isHealed) void heal(authenticated)
        return
      }
      if (forwarded.kind === 'unreachable') {
        if (forwarded.error.code === 'overloaded') {
          response.shouldKeepAlive = false // a client that stays would keep what we lack
          throw forwarded.error
        }
        routing.report(upstream, false)
        tried.add(upstream)
        const next = routing.pickUpstream(route.upstreams, tried)
        if (next === undefined) throw forwarded.error
        upstream = next
        continue
      }
      const healed = await heal(authenticated!)
      if (healed === undefined) return sendHeld(response, forwarded.answer)
      isHealed = true
      authorization = healed.authorization
      holdRefusal = false
    }
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { MaybePromise } from '../async/maybe-promise.ts'
import type { AuthenticatedUser } from '../auth/authenticate.ts'
import type { Credential } from '../auth/credentials/credentials.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { StreamedResponse } from '../http/response.ts'
import { expectsContinue, hasBody, waitForBody } from './body.ts'
import { sendBufferedResponse } from './buffered-response.ts'
import { type Attempt, type ForwardFailure, forward } from './forward.ts'
import type { BuildResponseHeaders } from './headers/response-headers.ts'
import { type ExchangeObserver, type Observe, runObserved } from './observe.ts'
import type { PreparedRequest, PrepareRequest } from './prepare-request.ts'
import type { ProxyRoute, Routing } from './routing/routing.ts'
import type { Upstream } from './routing/upstreams.ts'

export type ProxyHandlerOptions = Readonly<{
  routing: Routing
  buildResponseHeaders: BuildResponseHeaders
  /**
   * Replaces a credential that Elasticsearch rejected. Never rejects; resolves to undefined if no replacement is
   * available.
   */
  reissue: (authenticated: AuthenticatedUser) => Promise<Credential | undefined>
  /** The same in the background, for the user's next requests. Never throws. */
  reissueInBackground: (authenticated: AuthenticatedUser) => void
  /** Undefined if nothing observes requests. */
  observe?: Observe | undefined
}>

/** Proxy mode: authenticates each request outside `/elastauth/`, forwards it, and streams the response back. */
export function createProxyHandler(prepareRequest: PrepareRequest, options: ProxyHandlerOptions) {
  const { observe } = options

  function streamed(prepared: PreparedRequest, context: RequestContext): StreamedResponse {
    const { path, identity } = prepared
    const username = identity?.username
    const credential = identity?.credential
    if (observe === undefined) {
      const stream = (response: ServerResponse) => forwardWithRetries(context, response, prepared, options)
      return { username, credential, stream }
    }
    const stream = (response: ServerResponse) =>
      runObserved(observe({ context, response, path, username, credential }), (observer) =>
        forwardWithRetries(context, response, prepared, options, observer),
      )
    return { username, credential, stream }
  }

  return function proxyRequest(context: RequestContext): MaybePromise<StreamedResponse> {
    const prepared = prepareRequest(context)
    if (prepared instanceof Promise) return prepared.then((one) => streamed(one, context))
    return streamed(prepared, context)
  }
}

/** The first attempt, or a retry, to forward one request. */
type RetryableAttempt = Attempt &
  Readonly<{
    /** The upstreams that could not be reached. */
    tried: ReadonlySet<Upstream>
    /** Whether the credential was replaced after a 401 response. */
    isReissued: boolean
  }>

const noneTried: ReadonlySet<Upstream> = new Set()

/** Retries on a new connection, on another upstream, or with a new credential, each only if that is safe. */
async function forwardWithRetries(
  context: RequestContext,
  response: ServerResponse,
  prepared: PreparedRequest,
  { routing, reissue, reissueInBackground, buildResponseHeaders }: ProxyHandlerOptions,
  observer?: ExchangeObserver,
): Promise<void> {
  const { request } = context
  const { path, authenticated } = prepared
  const { timeoutMs: bodyTimeoutMs, clientTimeoutMs } = routing
  if (hasBody(request) && !expectsContinue(request)) await waitForBody(request, bodyTimeoutMs)
  const exchange = { context, response, path, buildResponseHeaders, bodyTimeoutMs, clientTimeoutMs, observer }
  let attempt = firstAttempt(request, prepared, routing)
  for (;;) {
    const result = await forward(exchange, attempt)
    switch (result.kind) {
      case 'stale-connection':
      case 'unreachable':
        attempt = failOver(attempt, result, { response, route: prepared.route, routing })
        break
      case 'unauthorized': {
        routing.reportHealth(attempt.upstream, true)
        const repaired = await repair(attempt, prepared, reissue)
        if (repaired === undefined) {
          context.respondedAt = performance.now()
          return sendBufferedResponse(response, result.response, clientTimeoutMs, observer)
        }
        attempt = repaired
        break
      }
      case 'sent':
        routing.reportHealth(attempt.upstream, true)
        if (authenticated && response.statusCode === 401 && !attempt.isReissued) reissueInBackground(authenticated)
        return
    }
  }
}

function firstAttempt(
  request: IncomingMessage,
  { route, authenticated, buildHeaders }: PreparedRequest,
  routing: Routing,
): RetryableAttempt {
  return {
    upstream: routing.pickUpstream(route.upstreams, noneTried)!,
    headers: buildHeaders(authenticated?.credential.authorization),
    onNewConnection: false,
    // A request with a body cannot be repeated with a new credential, because the body is consumed as it is sent.
    bufferUnauthorized: authenticated !== undefined && !hasBody(request),
    tried: noneTried,
    isReissued: false,
  }
}

/**
 * Failover: repeats a request on a new connection if the reused one was closing, or on the next upstream if this one
 * could not be reached. Throws the failure's error if all upstreams were tried, or if elastauth itself is overloaded.
 */
function failOver(
  attempt: RetryableAttempt,
  { kind, error }: ForwardFailure,
  { response, route, routing }: Readonly<{ response: ServerResponse; route: ProxyRoute; routing: Routing }>,
): RetryableAttempt {
  if (kind === 'stale-connection') return { ...attempt, onNewConnection: true } // a new connection cannot be stale
  if (error.code === 'overloaded') {
    response.shouldKeepAlive = false // closing the client's connection frees a file descriptor
    throw error
  }
  routing.reportHealth(attempt.upstream, false)
  const tried = new Set(attempt.tried).add(attempt.upstream)
  const upstream = routing.pickUpstream(route.upstreams, tried)
  if (upstream === undefined) throw error
  return { ...attempt, upstream, tried }
}

/**
 * Repair: repeats a request with a new credential after Elasticsearch rejected the one that was sent. Resolves to
 * undefined if there is no new one. A second 401 response is sent to the client.
 */
async function repair(
  attempt: RetryableAttempt,
  { authenticated, buildHeaders }: PreparedRequest,
  reissue: ProxyHandlerOptions['reissue'],
): Promise<RetryableAttempt | undefined> {
  const credential = await reissue(authenticated!)
  if (credential === undefined) return undefined
  const headers = buildHeaders(credential.authorization)
  return { ...attempt, headers, bufferUnauthorized: false, isReissued: true }
}

import type { MaybePromise } from '../async/maybe-promise.ts'
import type { RequestContext } from './request-context.ts'
import type { GatewayResponse, StreamedResponse } from './response.ts'

/** Returns the response to a request. Throws, or rejects with, GatewayError. */
export type Handler = (context: RequestContext) => MaybePromise<GatewayResponse>

/** Handles every request outside `/elastauth/`: forward auth, or the proxy. Throws, or rejects with, GatewayError. */
export type ModeHandler = (context: RequestContext) => MaybePromise<GatewayResponse | StreamedResponse>

/** elastauth's own endpoints, by their exact path. */
export type Endpoints = ReadonlyMap<string, Endpoint>

export type Endpoint = Readonly<{ methods: readonly string[]; handle: Handler }>

/** What a listener serves; `everything` means endpoints, and sub-requests or requests for upstreams. */
export type ListenerScope = 'everything' | 'endpoints' | 'sub-requests' | 'metrics'

/** The methods of an endpoint that only reads. */
export const readMethods: readonly string[] = ['GET', 'HEAD']

/**
 * The methods of RFC 9110 and RFC 5789, the most frequent first. Metrics and traces group all others, because clients can
 * invent any number of them.
 */
export const standardMethods: readonly string[] = [
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'CONNECT',
  'TRACE',
]

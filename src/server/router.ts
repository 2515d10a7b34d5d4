import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Endpoint, Endpoints, ListenerScope, ModeHandler } from '../http/handler.ts'
import { pathBeforeFragment, percentDecode } from '../http/target.ts'

export type Routes = Readonly<{
  handle: ModeHandler
  endpoints: Endpoints
  /** The endpoints of listeners for metrics. */
  metricsEndpoints?: Endpoints | undefined
}>

/**
 * Finds the handler of a request: that of an endpoint, or else the mode's. Throws GatewayError not_found or
 * method_not_allowed.
 */
export function route(
  { url = '/', method }: IncomingMessage,
  { handle, endpoints, metricsEndpoints }: Routes,
  serves: ListenerScope,
): ModeHandler {
  if (serves === 'metrics') return endpointHandler(metricsEndpoints?.get(pathBeforeFragment(url)), method, metricsOnly)
  const path = endpointPath(url)
  if (path === undefined) {
    if (serves === 'endpoints') throw new GatewayError('not_found', endpointsOnly)
    return handle
  }
  if (serves === 'sub-requests') throw new GatewayError('not_found', subRequestsOnly)
  return endpointHandler(endpoints.get(nameOf(path)), method, 'no such endpoint of elastauth')
}

function endpointHandler(endpoint: Endpoint | undefined, method: string | undefined, missing: string): ModeHandler {
  if (endpoint === undefined) throw new GatewayError('not_found', missing)
  const { methods } = endpoint
  if (!methods.includes(method ?? ''))
    throw new GatewayError('method_not_allowed', `only ${methods.join(', ')}`, { allow: methods })
  return endpoint.handle
}

const endpointsOnly =
  "this listener serves only the endpoints below /elastauth/: point the proxy's auth address to / on forward_auth.listen"
const metricsOnly = 'metrics.listen serves only /metrics and /elastauth/metrics'
const subRequestsOnly = 'forward_auth.listen serves only sub-requests: route /elastauth/ to an address of listen'

/** Whether a request is for a path below `/elastauth/`. */
export function isEndpointRequest({ url = '/' }: IncomingMessage): boolean {
  return endpointPath(url) !== undefined
}

const endpointPrefix = '/elastauth/'
const adminPrefix = '/elastauth/admin/'

/** One endpoint serves all paths of the API for administrators, which contain usernames. */
function nameOf(path: string): string {
  return path.startsWith(adminPrefix) ? adminPrefix : path
}

/**
 * The decoded path of a request for an endpoint, or undefined if the mode handles the request. Paths are decoded once,
 * because proxies route by the decoded path but forward the original (`/%65lastauth/login`). They are not normalized,
 * so the mode handles `/x/../elastauth/`. An undecodable path below `/elastauth/` matches no endpoint and does not
 * reach the mode either.
 */
export function endpointPath(url: string): string | undefined {
  // Called for every request: most targets contain no `%`, and decoding takes time.
  if (!url.startsWith(endpointPrefix) && !url.includes('%')) return undefined
  const rawPath = pathBeforeFragment(url)
  const path = percentDecode(rawPath) ?? rawPath
  return path.startsWith(endpointPrefix) ? path : undefined
}

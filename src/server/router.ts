import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Endpoints, ListenerScope, ModeHandler } from '../http/handler.ts'
import { pathBeforeFragment, percentDecode } from '../http/target.ts'

export type Routes = Readonly<{ handle: ModeHandler; endpoints: Endpoints }>

/** The handler of a request: the mode's, or that of an endpoint. Throws GatewayError not_found, method_not_allowed. */
export function route(
  { url = '/', method }: IncomingMessage,
  { handle, endpoints }: Routes,
  serves: ListenerScope,
): ModeHandler {
  const path = endpointPath(url)
  if (path === undefined) {
    if (serves === 'endpoints') throw new GatewayError('not_found', endpointsOnly)
    return handle
  }
  if (serves === 'sub-requests') throw new GatewayError('not_found', subRequestsOnly)
  const endpoint = endpoints.get(path)
  if (endpoint === undefined) throw new GatewayError('not_found', 'no such endpoint of elastauth')
  const { methods } = endpoint
  if (!methods.includes(method ?? ''))
    throw new GatewayError('method_not_allowed', `only ${methods.join(', ')}`, { allow: methods })
  return endpoint.handle
}

const endpointsOnly =
  "this listener serves only the endpoints below /elastauth/: point the proxy's auth address to / on forward_auth.listen"
const subRequestsOnly = 'forward_auth.listen serves only sub-requests: route /elastauth/ to an address of listen'

/** Whether a request is for a path below `/elastauth/`. */
export function isEndpointRequest({ url = '/' }: IncomingMessage): boolean {
  return endpointPath(url) !== undefined
}

const endpointPrefix = '/elastauth/'

/**
 * The path below `/elastauth/`, decoded once, or undefined if the request is for the mode. Paths are not normalized:
 * `/x/../elastauth/` is for the mode. Proxies route by the decoded path and forward the original one, so
 * `/%65lastauth/login` arrives unchanged. A path that cannot be decoded matches no endpoint and does not reach the mode
 * either: `/elastauth/%ff`.
 */
export function endpointPath(url: string): string | undefined {
  // Called for every request: most targets contain no `%`, and decoding takes time.
  if (!url.startsWith(endpointPrefix) && !url.includes('%')) return undefined
  const rawPath = pathBeforeFragment(url)
  const path = percentDecode(rawPath) ?? rawPath
  return path.startsWith(endpointPrefix) ? path : undefined
}

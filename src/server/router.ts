import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'
import type { Endpoints, ModeHandler, Serves } from '../http/handler.ts'

/** Who answers: the mode, or one of our own pages. Throws GatewayError not_found, method_not_allowed. */
export function route(
  { url = '/', method }: IncomingMessage,
  { handle, endpoints }: Routes,
  serves: Serves,
): ModeHandler {
  const path = endpointPath(url)
  if (path === undefined) {
    if (serves === 'endpoints') throw new GatewayError('not_found', pagesOnly)
    return handle
  }
  if (serves === 'sub-requests') throw new GatewayError('not_found', subRequestsOnly)
  const page = endpoints.get(path)
  if (page === undefined) throw new GatewayError('not_found', 'no such page of elastauth’s own')
  const { methods } = page
  if (!methods.includes(method ?? ''))
    throw new GatewayError('method_not_allowed', `only ${methods.join(', ')}`, { allow: methods })
  return page.handle
}

export type Routes = Readonly<{ handle: ModeHandler; endpoints: Endpoints }>

const pagesOnly =
  "this listener serves the pages below /elastauth/ only: point the proxy's auth address to / on forward_auth.listen"
const subRequestsOnly = 'forward_auth.listen answers sub-requests only: route /elastauth/ to an address of listen'

/** Whether a request is for a page of ours. */
export function isEndpointRequest({ url = '/' }: IncomingMessage): boolean {
  return endpointPath(url) !== undefined
}

const ownPrefix = '/elastauth/'

/**
 * The path under `/elastauth/`, decoded once, or undefined if the request is for the mode. Paths are not normalized:
 * `/x/../elastauth/` is not ours. Proxies route by the decoded path and forward the original one, so `/%65lastauth/login` arrives
 * unchanged. A path that cannot be decoded is ours too, and not a page: `/elastauth/%ff` must not reach the mode.
 */
export function endpointPath(url: string): string | undefined {
  // Every request comes by here; few hold a `%`, and decoding costs.
  if (!url.startsWith(ownPrefix) && !url.includes('%')) return undefined
  const end = url.search(/[?#]/)
  const raw = end === -1 ? url : url.slice(0, end)
  const path = decoded(raw)
  return path.startsWith(ownPrefix) ? path : undefined
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

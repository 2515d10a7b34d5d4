import type { IncomingMessage } from 'node:http'

/** A request that a person made: in auth-only mode the one that a sub-request asks about. */
export type Asked = Readonly<{
  request: IncomingMessage
  method: string
  /** Path and query. */
  target: string
  /** Whether the answer goes through a proxy that takes any 2xx for a yes. */
  isSubRequest: boolean
}>

export type AskedOf = (request: IncomingMessage) => Asked

/** A request that is itself the one. */
export function askedDirectly(request: IncomingMessage): Asked {
  return { request, method: request.method ?? 'GET', target: request.url ?? '/', isSubRequest: false }
}

/** What Traefik and Caddy say in X-Forwarded-Method and -Uri, nginx by convention in X-Original-Method and -URL. */
export function createAskedOf(isTrusted: (request: IncomingMessage) => boolean): AskedOf {
  return function askedOf(request) {
    const own = { ...askedDirectly(request), isSubRequest: true }
    if (!isTrusted(request)) return own
    const { headers } = request
    const method = single(headers['x-forwarded-method'] ?? headers['x-original-method'])
    const target = pathOf(single(headers['x-forwarded-uri'] ?? headers['x-original-url']))
    return {
      ...own,
      method: method !== undefined && /^[A-Z]{1,20}$/.test(method) ? method : own.method,
      target: target ?? own.target,
    }
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** X-Original-URL may be absolute. */
function pathOf(url: string | undefined): string | undefined {
  const path = url?.replace(/^https?:\/\/[^/?#]*/i, '')
  return path?.startsWith('/') ? path : undefined
}

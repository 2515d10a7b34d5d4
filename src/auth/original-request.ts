import type { IncomingMessage } from 'node:http'
import { afterPrefix } from './sub-request.ts'

/** A request as its client made it. */
export type OriginalRequest = Readonly<{
  method: string
  /** Path and query. */
  target: string
  /** The host that it was made to, where a proxy says so. */
  host?: string | undefined
}>

export type OriginalRequestOf = (request: IncomingMessage) => OriginalRequest

/** A request that is itself the one. */
export function itself({ method = 'GET', url = '/' }: IncomingMessage): OriginalRequest {
  return { method, target: originForm(url) ?? url }
}

/**
 * The request that a forward-auth sub-request asks about. Traefik and Caddy say it in X-Forwarded-*, nginx by convention
 * in X-Original-*. Only a trusted peer is believed, and only what can be a method or a target.
 * @param pathPrefix after which a proxy that sends no such header (Envoy) appends the path
 */
export function createOriginalRequestOf(
  isTrusted: (request: IncomingMessage) => boolean,
  pathPrefix?: string,
): OriginalRequestOf {
  return function originalRequestOf(request) {
    const own = itself(request)
    if (!isTrusted(request)) return own
    const { headers } = request
    const appended = pathPrefix === undefined ? undefined : afterPrefix(own.target, pathPrefix)
    const method = single(headers['x-forwarded-method']) ?? single(headers['x-original-method'])
    const url = single(headers['x-forwarded-uri']) ?? single(headers['x-original-url'])
    return {
      method: method !== undefined && /^[A-Z]{1,20}$/.test(method) ? method : own.method,
      target: originForm(url) ?? appended ?? own.target,
      host: single(headers['x-forwarded-host']),
    }
  }
}

/** X-Original-URL may be absolute. Undefined for what is neither a path nor a URL. */
function originForm(url: string | undefined): string | undefined {
  const target = url?.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  if (target === undefined || target.startsWith('/')) return target
  return target === '' || /^[?#]/.test(target) ? `/${target}` : undefined
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { stripPathPrefix } from './sub-request.ts'

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
export function requestAsReceived({ method = 'GET', url = '/' }: IncomingMessage): OriginalRequest {
  return { method, target: originForm(url) ?? url }
}

/** How the proxy describes the original request. Only one source is read: the proxy may forward a client's own headers of the others. */
export type OriginalRequestSource = Readonly<{
  /** `generic`: X-Forwarded-* (Traefik, Caddy, HAProxy); `nginx`: X-Original-Method and X-Original-URL. */
  profile: 'generic' | 'nginx'
  /** The prefix before the client's path (Envoy): a request line that starts with it describes the original request. */
  pathPrefix?: string | undefined
}>

/** The request that a forward-auth sub-request asks about. Read only from a trusted peer, and only values that can be a method or a target. */
export function createOriginalRequestOf(
  isTrusted: (request: IncomingMessage) => boolean,
  source: OriginalRequestSource,
): OriginalRequestOf {
  return function originalRequestOf(request) {
    const own = requestAsReceived(request)
    if (!isTrusted(request)) return own
    const { method, url, host } = readReportedRequest(request, source)
    return {
      method: method !== undefined && /^[A-Z]{1,20}$/.test(method) ? method : own.method,
      target: originForm(url) ?? own.target,
      host,
    }
  }
}

/** The values of the source, not validated. */
export type ReportedRequest = Readonly<{ [part in 'method' | 'url' | 'host' | 'scheme']?: string | undefined }>

export function readReportedRequest(
  { headers, url = '/' }: Pick<IncomingMessage, 'headers' | 'url'>,
  { profile, pathPrefix }: OriginalRequestSource,
): ReportedRequest {
  const appended = pathPrefix === undefined ? undefined : stripPathPrefix(originForm(url) ?? '', pathPrefix)
  if (appended !== undefined)
    return { url: appended, host: single(headers.host), scheme: single(headers['x-forwarded-proto']) }
  return profile === 'nginx' ? readOriginalHeaders(headers) : readForwardedHeaders(headers)
}

function readForwardedHeaders(headers: IncomingHttpHeaders): ReportedRequest {
  return {
    method: single(headers['x-forwarded-method']),
    url: single(headers['x-forwarded-uri']),
    host: single(headers['x-forwarded-host']),
    scheme: single(headers['x-forwarded-proto']),
  }
}

/** X-Forwarded-Proto is for requests that are not sub-requests, such as those of a login. */
function readOriginalHeaders(headers: IncomingHttpHeaders): ReportedRequest {
  const url = single(headers['x-original-url'])
  const [, scheme, host] = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url ?? '') ?? []
  return {
    method: single(headers['x-original-method']),
    url,
    host,
    scheme: scheme?.toLowerCase() ?? single(headers['x-forwarded-proto']),
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

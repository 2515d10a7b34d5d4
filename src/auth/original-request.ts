import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { OriginalRequest, RequestReader } from '../http/request-context.ts'
import { originForm, parseAbsoluteForm } from '../http/target.ts'
import { stripPathPrefix } from './sub-request.ts'

/** Returns the request itself, for requests that are not sub-requests. */
export function requestAsReceived({ method = 'GET', url = '/' }: IncomingMessage): OriginalRequest {
  return { method, target: originForm(url) ?? url }
}

/**
 * The headers in which the proxy describes the original request. Only these are read, because the proxy may forward other
 * headers that the client has spoofed.
 */
export type OriginalRequestSource = Readonly<{
  /** `generic`: X-Forwarded-* (Traefik, Caddy, HAProxy); `nginx`: X-Original-Method and X-Original-URL. */
  profile: 'generic' | 'nginx'
  /** The prefix that a proxy such as Envoy puts before the client's path. A target with this prefix describes the original request. */
  pathPrefix?: string | undefined
}>

/** Reads the original request from a forward-auth sub-request, if a trusted proxy sent it. Invalid methods and targets are ignored. */
export function createOriginalRequestOf(source: OriginalRequestSource): RequestReader['originalOf'] {
  return function originalRequestOf(request, isTrusted) {
    const received = requestAsReceived(request)
    if (!isTrusted) return received
    const { method, url, host } = readReportedRequest(request, source)
    return {
      method: method !== undefined && isMethod(method) ? method : received.method,
      target: url === undefined ? received.target : (originForm(url) ?? received.target), // X-Original-URL may be absolute
      host,
    }
  }
}

/** Methods are case-sensitive, and all registered ones are in upper case (RFC 9110, section 9.1). */
function isMethod(text: string): boolean {
  return /^[A-Z]{1,20}$/.test(text)
}

/** The proxy's description of the original request. The values are not validated. */
export type ReportedRequest = Readonly<{ [part in 'method' | 'url' | 'host' | 'scheme']?: string | undefined }>

export function readReportedRequest(
  { headers, url = '/' }: Pick<IncomingMessage, 'headers' | 'url'>,
  { profile, pathPrefix }: OriginalRequestSource,
): ReportedRequest {
  const clientUrl = pathPrefix === undefined ? undefined : stripPathPrefix(originForm(url) ?? '', pathPrefix)
  if (clientUrl !== undefined)
    return { url: clientUrl, host: single(headers.host), scheme: single(headers['x-forwarded-proto']) }
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

/** X-Forwarded-Proto is used for requests without X-Original-URL, such as a login that is not a sub-request. */
function readOriginalHeaders(headers: IncomingHttpHeaders): ReportedRequest {
  const url = single(headers['x-original-url'])
  const absolute = url === undefined ? undefined : parseAbsoluteForm(url)
  return {
    method: single(headers['x-original-method']),
    url,
    host: absolute && withoutUserinfo(absolute.authority),
    scheme: absolute?.scheme.toLowerCase() ?? single(headers['x-forwarded-proto']),
  }
}

/** The host and port of an authority (RFC 3986, section 3.2). */
function withoutUserinfo(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1)
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

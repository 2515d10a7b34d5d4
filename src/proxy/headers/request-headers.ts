import { canonicalizeHeaderName } from '../../../config/header-names.ts'
import { connectionOptionsOf, namesOf } from '../../http/headers.ts'
import { isValidRequestId } from '../../http/request-id.ts'
import { parseTraceparent } from '../../http/traceparent.ts'
import type { PrivateCookies } from './cookies.ts'
import { formatForwarded, plainAddress, requestedPort } from './forwarded.ts'
import {
  createHeaderFilter,
  type ForwardedHeaders,
  type HeaderRule,
  type RequestIdHeaders,
  several,
} from './header-rules.ts'

/** The headers and cookies that authenticate a user to elastauth. Upstreams must not see them. */
export type PrivateHeaders = Readonly<{
  /** Names of headers that assert an identity, or prove that a trusted proxy sent the request. */
  headers: readonly string[]
  cookies: PrivateCookies
}>

/** What the headers for the upstream depend on, besides the client's headers. */
export type HeaderContext = Readonly<{
  /** The peer's address; undefined once the socket is closed. */
  remoteAddress: string | undefined
  /** elastauth's id of the request. */
  requestId: string
  isEncrypted: boolean
  /** Whether the peer is a trusted proxy. Only then are its `Forwarded` and `X-Forwarded-*` headers forwarded. */
  isTrusted: boolean
  /** The value of `Authorization` for the upstream; undefined on a route that forwards no credential. */
  authorization: string | undefined
  /** The route's own headers, with those that name the user, as alternating names and values. They override the client's. */
  routeHeaders: readonly string[]
}>

export type BuildUpstreamHeaders = (rawHeaders: readonly string[], context: HeaderContext) => string[]

/**
 * Converts a client's raw headers to those for the upstream, as alternating names and values, without side effects.
 * Transfer-Encoding is not included, because undici adds it.
 */
export function createBuildUpstreamHeaders({ headers: privateNames, cookies }: PrivateHeaders): BuildUpstreamHeaders {
  const findRule = createHeaderFilter(privateNames)

  return function buildUpstreamHeaders(rawHeaders, context) {
    const { isTrusted, routeHeaders } = context
    const collected: Collected = { headers: [], kibanaInternal: [], isTrusted, host: '', isFromKibana: false }
    const named = connectionOptionsOf(rawHeaders)
    named?.delete('content-length') // kept even if Connection names it, because it frames the body
    const overridden = canonicalNames(routeHeaders)
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      const value = rawHeaders[i + 1]!
      const rule = findRule(name)
      if (rule === 'host')
        collected.host = value // needed for X-Forwarded-Host even if Connection names it or the route overrides it
      else if (named?.has(name.toLowerCase())) continue
      if (overridden?.has(canonicalizeHeaderName(name))) continue
      collectHeader(collected, rule, name, rule === 'cookie' ? cookies.strip(value) : value)
    }
    addForwarded(collected, context)
    addRequestIds(collected, context, overridden)
    addOwn(collected, context)
    return collected.headers
  }
}

/** The headers for the upstream, and other facts collected from the client's headers. */
type Collected = Partial<ForwardedHeaders & RequestIdHeaders> & {
  readonly headers: string[]
  /** Forwarded only if the request is from a page of Kibana. */
  readonly kibanaInternal: string[]
  readonly isTrusted: boolean
  host: string
  isFromKibana: boolean
}

function canonicalNames(headers: readonly string[]): Set<string> | undefined {
  if (headers.length === 0) return undefined
  return new Set(namesOf(headers).map(canonicalizeHeaderName))
}

function collectHeader(collected: Collected, rule: HeaderRule, name: string, value: string): void {
  const { headers, isTrusted } = collected
  switch (rule) {
    case 'keep':
    case 'host':
      headers.push(name, value)
      break
    case 'kbn-version':
      collected.isFromKibana = true
      headers.push(name, value)
      break
    case 'kibana-internal':
      collected.kibanaInternal.push(name, value)
      break
    case 'cookie':
      if (value !== '') headers.push(name, value)
      break
    case 'trusted-only':
      if (isTrusted) headers.push(name, value)
      break
    case 'forwarded':
    case 'x-forwarded-for':
      if (isTrusted) collected[rule] = append(collected[rule], value)
      break
    case 'x-forwarded-proto':
    case 'x-forwarded-host':
    case 'x-forwarded-port':
      if (isTrusted) collected[rule] ??= value
      break
    case 'x-request-id':
    case 'x-opaque-id':
    case 'traceparent':
      collected[rule] = collected[rule] === undefined ? value : several
      break
    case 'tracestate':
      collected.tracestate = append(collected.tracestate, value)
  }
}

/** Adds the peer's address to the chain of proxies. What no trusted proxy has stated is derived from the connection. */
function addForwarded(collected: Collected, { remoteAddress, isEncrypted }: HeaderContext): void {
  const { headers, host } = collected
  const address = plainAddress(remoteAddress)
  const scheme = isEncrypted ? 'https' : 'http'
  headers.push('X-Forwarded-For', append(collected['x-forwarded-for'], address))
  headers.push('X-Forwarded-Proto', collected['x-forwarded-proto'] ?? scheme)
  headers.push('X-Forwarded-Host', collected['x-forwarded-host'] ?? host)
  headers.push('X-Forwarded-Port', collected['x-forwarded-port'] ?? requestedPort(host, scheme))
  headers.push('Forwarded', append(collected.forwarded, formatForwarded(address, host, scheme)))
}

/**
 * Elasticsearch names a request in its task list and slow logs by `X-Opaque-Id`. A client's own value stays, because the
 * client searches for it. Without a valid `traceparent`, `tracestate` has no meaning (W3C Trace Context, section 3.3).
 */
function addRequestIds(
  collected: Collected,
  { requestId }: HeaderContext,
  overridden: ReadonlySet<string> | undefined,
): void {
  const { headers, 'x-request-id': clientId, 'x-opaque-id': opaqueId = several, traceparent, tracestate } = collected
  if (!overridden?.has('x-opaque-id')) headers.push('X-Opaque-Id', opaqueId === several ? requestId : opaqueId)
  if (typeof clientId === 'string' && isValidRequestId(clientId)) headers.push('X-Request-Id', clientId)
  if (typeof traceparent !== 'string' || parseTraceparent(traceparent) === undefined) return
  headers.push('traceparent', traceparent)
  if (tracestate !== undefined) headers.push('tracestate', tracestate)
}

function addOwn({ headers, isFromKibana, kibanaInternal }: Collected, { routeHeaders, authorization }: HeaderContext) {
  if (isFromKibana) headers.push(...kibanaInternal)
  for (const part of routeHeaders) headers.push(part)
  if (authorization !== undefined) headers.push('Authorization', authorization)
}

function append(list: string | undefined, element: string): string {
  return list ? `${list}, ${element}` : element
}

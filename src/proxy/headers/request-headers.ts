import { canonicalizeHeaderName } from '../../../config/header-names.ts'
import { connectionOptionsOf, namesOf } from '../../http/headers.ts'
import type { PrivateCookies } from './cookies.ts'
import { formatForwarded, plainAddress, requestedPort } from './forwarded.ts'
import { createHeaderFilter, type ForwardedHeaders } from './header-rules.ts'

export type PrivateHeaders = Readonly<{
  /** Headers that say who the user is, or prove who says so: of no meaning behind us, so never passed on. */
  headers: readonly string[]
  /** Cookies that authenticate it. */
  cookies: PrivateCookies
}>

/** What a request's headers upstream depend on, beside those it came with. */
export type HeaderContext = Readonly<{
  /** The socket's other end; undefined once it is gone. */
  remoteAddress: string | undefined
  isEncrypted: boolean
  /** Whether the other end is a proxy of ours, whose word on where the request comes from holds. */
  isTrusted: boolean
  /** The credential; undefined where the route asks for none. */
  authorization: string | undefined
  /** The route's own, names and values in turn. They win over the client's. */
  routeHeaders: readonly string[]
}>

export type BuildUpstreamHeaders = (rawHeaders: readonly string[], context: HeaderContext) => string[]

/** Pure: a client's raw headers → those sent upstream, names and values in turn. A body's framing is not among them, save its length. */
export function createBuildUpstreamHeaders(given: PrivateHeaders): BuildUpstreamHeaders {
  const judge = createHeaderFilter(new Set(given.headers.map(canonicalizeHeaderName)))
  const { strip } = given.cookies

  return function buildUpstreamHeaders(
    rawHeaders,
    { remoteAddress, isEncrypted, isTrusted, authorization, routeHeaders },
  ) {
    const headers: string[] = []
    const named = connectionOptionsOf(rawHeaders)
    named?.delete('content-length') // it says where the body ends, whatever Connection says of it
    const overridden =
      routeHeaders.length === 0 ? undefined : new Set(namesOf(routeHeaders).map(canonicalizeHeaderName))
    const chain: Partial<ForwardedHeaders> = {}
    let host = ''
    let forwarded = ''
    let isFromKibana = false
    const fromKibana: string[] = []
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      const value = rawHeaders[i + 1]!
      const rule = judge(name)
      if (rule === 'host')
        host = value // whatever Connection says of it
      else if (named?.has(name.toLowerCase())) continue
      if (overridden?.has(canonicalizeHeaderName(name))) continue
      switch (rule) {
        case 'Kibana’s mark':
          isFromKibana = true
          headers.push(name, value)
          break
        case 'from Kibana’s pages':
          fromKibana.push(name, value)
          break
        case 'keep':
        case 'host':
          headers.push(name, value)
          break
        case 'cookie': {
          const cookies = strip(value)
          if (cookies !== '') headers.push(name, cookies)
          break
        }
        case 'from proxies':
          if (isTrusted) headers.push(name, value)
          break
        case 'forwarded':
          if (isTrusted) forwarded = append(forwarded, value)
          break
        case 'x-forwarded-for':
          if (isTrusted) chain[rule] = append(chain[rule], value)
          break
        case 'x-forwarded-proto':
        case 'x-forwarded-host':
        case 'x-forwarded-port':
          if (isTrusted) chain[rule] ??= value
      }
    }
    const from = plainAddress(remoteAddress)
    const scheme = isEncrypted ? 'https' : 'http'
    headers.push('X-Forwarded-For', append(chain['x-forwarded-for'], from))
    headers.push('X-Forwarded-Proto', chain['x-forwarded-proto'] ?? scheme)
    headers.push('X-Forwarded-Host', chain['x-forwarded-host'] ?? host)
    headers.push('X-Forwarded-Port', chain['x-forwarded-port'] ?? requestedPort(host, scheme))
    headers.push('Forwarded', append(forwarded, formatForwarded(from, host, scheme)))
    if (isFromKibana) headers.push(...fromKibana)
    for (const part of routeHeaders) headers.push(part)
    if (authorization !== undefined) headers.push('Authorization', authorization)
    return headers
  }
}

function append(chain: string | undefined, link: string): string {
  return chain ? `${chain}, ${link}` : link
}

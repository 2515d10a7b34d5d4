import { createWithoutPrivate } from './cookies.ts'
import { addressOf, forwardedElement, portOf } from './forwarded.ts'

export type HeaderRules = Readonly<{
  /** Headers that say who the user is, or prove who says so: of no meaning behind us, so never passed on. */
  private: readonly string[]
  /** Cookies that prove it; elastauth's own need no mention. */
  privateCookies?: readonly string[]
}>

/** What a request's headers upstream depend on, beside those it came with. */
export type HeaderContext = Readonly<{
  /** The socket's other end; undefined once it is gone. */
  address: string | undefined
  encrypted: boolean
  /** Whether the other end is a proxy of ours, whose word on where the request comes from holds. */
  trusted: boolean
  /** The credential; undefined where the route asks for none. */
  authorization: string | undefined
  /** The route's own, names and values in turn. They win over the client's. */
  added: readonly string[]
}>

export type BuildUpstreamHeaders = (rawHeaders: readonly string[], context: HeaderContext) => string[]

type Rule = 'keep' | 'host' | 'drop' | 'connection' | 'cookie' | 'forwarded' | 'from proxies' | keyof Chain

/** What proxies before us said of the request's origin. */
type Chain = {
  'x-forwarded-for': string
  'x-forwarded-proto': string
  'x-forwarded-host': string
  'x-forwarded-port': string
}

const rules: Readonly<Record<string, Rule>> = {
  host: 'host',
  cookie: 'cookie',
  connection: 'connection',
  forwarded: 'forwarded',
  'x-forwarded-for': 'x-forwarded-for',
  'x-forwarded-proto': 'x-forwarded-proto',
  'x-forwarded-host': 'x-forwarded-host',
  'x-forwarded-port': 'x-forwarded-port',
  'x-real-ip': 'from proxies',
  'x-original-url': 'from proxies',
  'x-original-method': 'from proxies',
  'x-rewrite-url': 'from proxies',
  // For this connection only (RFC 9110, 7.6.1); the next one gets its own.
  'keep-alive': 'drop',
  te: 'drop',
  trailer: 'drop',
  'transfer-encoding': 'drop',
  upgrade: 'drop',
  'http2-settings': 'drop',
  expect: 'drop',
  // The client's own credentials, and Elasticsearch's ways to act as somebody else.
  authorization: 'drop',
  'es-security-runas-user': 'drop',
  'x-elastic-internal-origin': 'drop',
}

const droppedStarts = ['proxy-', 'es-secondary-']

/** Names seen lately, so that each is judged once. Clients may make names up: beyond this many they are judged each time. */
const remembered = 1024

/** Pure: a client's raw headers → those sent upstream, names and values in turn. A body's framing is not among them, save its length. */
export function createBuildUpstreamHeaders(given: HeaderRules): BuildUpstreamHeaders {
  const hidden = new Set(given.private.map(canonicalise))
  const withoutPrivate = createWithoutPrivate(given.privateCookies ?? [])
  const judged = new Map<string, Rule>()

  return function buildUpstreamHeaders(rawHeaders, { address, encrypted, trusted, authorization, added }) {
    const headers: string[] = []
    const named = namedByConnection(rawHeaders)
    const overridden = added.length === 0 ? undefined : new Set(added.filter((_, i) => i % 2 === 0).map(canonicalise))
    const chain: Partial<Chain> = {}
    let host = ''
    let forwarded = ''
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      const value = rawHeaders[i + 1]!
      const rule = judge(name)
      if (rule === 'host')
        host = value // whatever Connection says of it
      else if (named?.has(name.toLowerCase())) continue
      if (overridden?.has(canonicalise(name))) continue
      switch (rule) {
        case 'keep':
        case 'host':
          headers.push(name, value)
          break
        case 'cookie': {
          const cookies = withoutPrivate(value)
          if (cookies !== '') headers.push(name, cookies)
          break
        }
        case 'from proxies':
          if (trusted) headers.push(name, value)
          break
        case 'forwarded':
          if (trusted) forwarded = append(forwarded, value)
          break
        case 'x-forwarded-for':
          if (trusted) chain[rule] = append(chain[rule], value)
          break
        case 'x-forwarded-proto':
        case 'x-forwarded-host':
        case 'x-forwarded-port':
          if (trusted) chain[rule] ??= value
      }
    }
    const from = addressOf(address)
    const scheme = encrypted ? 'https' : 'http'
    headers.push('X-Forwarded-For', append(chain['x-forwarded-for'], from))
    headers.push('X-Forwarded-Proto', chain['x-forwarded-proto'] ?? scheme)
    headers.push('X-Forwarded-Host', chain['x-forwarded-host'] ?? host)
    headers.push('X-Forwarded-Port', chain['x-forwarded-port'] ?? portOf(host, scheme))
    headers.push('Forwarded', append(forwarded, forwardedElement(from, host, scheme)))
    for (const part of added) headers.push(part)
    if (authorization !== undefined) headers.push('Authorization', authorization)
    return headers
  }

  function judge(name: string): Rule {
    const known = judged.get(name)
    if (known !== undefined) return known
    const rule = ruleFor(name.toLowerCase(), canonicalise(name))
    if (judged.size < remembered) judged.set(name, rule)
    return rule
  }

  function ruleFor(name: string, canonical: string): Rule {
    if (hidden.has(canonical) || droppedStarts.some((start) => canonical.startsWith(start))) return 'drop'
    if (Object.hasOwn(rules, name)) return rules[name]!
    // `X_Forwarded_For`, which some servers take for the same.
    if (Object.hasOwn(rules, canonical)) return 'drop'
    return canonical.startsWith('x-forwarded-') ? 'from proxies' : 'keep'
  }
}

/** Headers that `Connection` names are for us alone (RFC 9110, 7.6.1), save those that say where a body ends. */
function namedByConnection(rawHeaders: readonly string[]): Set<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 'connection'.length || rawHeaders[i]!.toLowerCase() !== 'connection') continue
    const value = rawHeaders[i + 1]!.toLowerCase()
    if (value === 'keep-alive' || value === 'close') continue
    named ??= new Set()
    for (const name of value.split(',')) named.add(name.trim())
    named.delete('content-length')
  }
  return named
}

/** CGI and its heirs cannot tell `-`, `_` and `.` apart in a header's name. */
function canonicalise(name: string): string {
  return name.toLowerCase().replace(/[_.]/g, '-')
}

function append(chain: string | undefined, link: string): string {
  return chain ? `${chain}, ${link}` : link
}

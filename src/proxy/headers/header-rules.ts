import { hopByHopHeaders } from '../../../config/header-names.ts'

/** How a client's header is forwarded to the upstream. */
export type HeaderRule =
  | 'keep'
  | 'host'
  | 'drop'
  | 'connection'
  | 'cookie'
  | 'trusted-only'
  | 'kbn-version'
  | 'kibana-internal'
  | keyof ForwardedHeaders
  | keyof RequestIdHeaders

/** The headers in which trusted proxies describe the original request. */
export type ForwardedHeaders = {
  forwarded: string
  'x-forwarded-for': string
  'x-forwarded-proto': string
  'x-forwarded-host': string
  'x-forwarded-port': string
}

/** The headers that name a request in logs. Of several with the same name, none is forwarded. */
export type RequestIdHeaders = {
  'x-request-id': string | typeof several
  'x-opaque-id': string | typeof several
  traceparent: string | typeof several
  tracestate: string
}

export const several = Symbol('several headers with the same name')

const rules: Readonly<Record<string, HeaderRule>> = {
  ...Object.fromEntries(Array.from(hopByHopHeaders, (name) => [name, 'drop'])),
  host: 'host',
  cookie: 'cookie',
  connection: 'connection',
  forwarded: 'forwarded',
  'x-forwarded-for': 'x-forwarded-for',
  'x-forwarded-proto': 'x-forwarded-proto',
  'x-forwarded-host': 'x-forwarded-host',
  'x-forwarded-port': 'x-forwarded-port',
  'x-request-id': 'x-request-id',
  'x-opaque-id': 'x-opaque-id',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  'x-real-ip': 'trusted-only',
  // Some frameworks route by these three headers instead of the target, so a client could bypass path checks. Only
  // forward-auth sub-requests need them.
  'x-original-url': 'drop',
  'x-original-method': 'drop',
  'x-rewrite-url': 'drop',

  'http2-settings': 'drop',
  expect: 'drop',
  // The client's own credentials, and the header with which Elasticsearch lets a user impersonate another.
  authorization: 'drop',
  'es-security-runas-user': 'drop',
  // Bearer tokens that proxies in front of elastauth add: oauth2-proxy, authentik, Pomerium, Cloudflare Access, and the
  // load balancers of Google and Amazon.
  'x-auth-request-access-token': 'drop',
  'x-forwarded-access-token': 'drop',
  'x-authentik-jwt': 'drop',
  'x-pomerium-jwt-assertion': 'drop',
  'cf-access-jwt-assertion': 'drop',
  'x-goog-iap-jwt-assertion': 'drop',
  'x-amzn-oidc-data': 'drop',
  'x-amzn-oidc-accesstoken': 'drop',
  // Grants access to internal APIs, so it is forwarded only with `kbn-version`: Kibana 9 requires this header from its
  // own pages, which send both.
  'x-elastic-internal-origin': 'kibana-internal',
  'kbn-version': 'kbn-version',
}

const droppedPrefixes = ['proxy-', 'es-secondary-']

/**
 * Limits the memory that invented header names can occupy. The rules of further names are computed for each request.
 */
const maxCachedNames = 1024

/**
 * Returns a function that maps a header's name, in upper or lower case, to its rule.
 * @param privateNames names of headers that are never forwarded, in any spelling
 */
export function createHeaderFilter(privateNames: readonly string[]): (name: string) => HeaderRule {
  const foldedPrivateNames = new Set(privateNames.map(foldName))
  const cache = new Map<string, HeaderRule>()

  return function findRule(name) {
    const cached = cache.get(name)
    if (cached !== undefined) return cached
    const rule = computeRule(name.toLowerCase(), foldName(name), foldedPrivateNames)
    if (cache.size < maxCachedNames) cache.set(name, rule)
    return rule
  }
}

function computeRule(name: string, folded: string, privateNames: ReadonlySet<string>): HeaderRule {
  if (privateNames.has(folded) || droppedPrefixes.some((prefix) => folded.startsWith(prefix))) return 'drop'
  if (Object.hasOwn(rules, name)) return rules[name]!
  // Header spoofing: some servers treat `X_Forwarded_For` as `X-Forwarded-For`.
  if (Object.hasOwn(rules, folded)) return 'drop'
  return folded.startsWith('x-forwarded-') ? 'trusted-only' : 'keep'
}

/**
 * Returns the same text for all headers that set one variable of a CGI or FastCGI program. Servers such as lighttpd replace
 * every character except letters and digits, so that a program takes `Remote~User` for `Remote-User`.
 */
function foldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

import { canonicalizeHeaderName, hopByHopHeaders } from '../../../config/header-names.ts'

/** What becomes of a client's header upstream. */
export type HeaderRule =
  | 'keep'
  | 'host'
  | 'drop'
  | 'connection'
  | 'cookie'
  | 'forwarded'
  | 'from proxies'
  | 'Kibana’s mark'
  | 'from Kibana’s pages'
  | keyof ForwardedHeaders

/** What proxies before us said of the request's origin. */
export type ForwardedHeaders = {
  'x-forwarded-for': string
  'x-forwarded-proto': string
  'x-forwarded-host': string
  'x-forwarded-port': string
}

const rules: Readonly<Record<string, HeaderRule>> = {
  // The next connection gets its own.
  ...Object.fromEntries(Array.from(hopByHopHeaders, (name) => [name, 'drop'])),
  host: 'host',
  cookie: 'cookie',
  connection: 'connection',
  forwarded: 'forwarded',
  'x-forwarded-for': 'x-forwarded-for',
  'x-forwarded-proto': 'x-forwarded-proto',
  'x-forwarded-host': 'x-forwarded-host',
  'x-forwarded-port': 'x-forwarded-port',
  'x-real-ip': 'from proxies',
  // Some frameworks route by these instead of the target. They are for sub-requests, and a proxied request is not one.
  'x-original-url': 'drop',
  'x-original-method': 'drop',
  'x-rewrite-url': 'drop',
  'http2-settings': 'drop',
  expect: 'drop',
  // The client's own credentials, and Elasticsearch's ways to act as somebody else.
  authorization: 'drop',
  'es-security-runas-user': 'drop',
  // Bearer tokens that proxies in front of us add: oauth2-proxy, authentik, Pomerium, Cloudflare Access, Google's and Amazon's
  // load balancers.
  'x-auth-request-access-token': 'drop',
  'x-forwarded-access-token': 'drop',
  'x-authentik-jwt': 'drop',
  'x-pomerium-jwt-assertion': 'drop',
  'cf-access-jwt-assertion': 'drop',
  'x-goog-iap-jwt-assertion': 'drop',
  'x-amzn-oidc-data': 'drop',
  'x-amzn-oidc-accesstoken': 'drop',
  // Opens Elasticsearch's internal routes where it guards them; Kibana 9 wants it of its own pages, which send both.
  'x-elastic-internal-origin': 'from Kibana’s pages',
  'kbn-version': 'Kibana’s mark',
}

const droppedStarts = ['proxy-', 'es-secondary-']

/** Names seen lately, so that each is judged once. Clients may make names up: beyond this many they are judged each time. */
const remembered = 1024

/** A header's name → what becomes of it. @param hidden canonical names that never go on */
export function createHeaderFilter(hidden: ReadonlySet<string>): (name: string) => HeaderRule {
  const judged = new Map<string, HeaderRule>()

  return function judge(name) {
    const known = judged.get(name)
    if (known !== undefined) return known
    const rule = ruleFor(name.toLowerCase(), canonicalizeHeaderName(name))
    if (judged.size < remembered) judged.set(name, rule)
    return rule
  }

  function ruleFor(name: string, canonical: string): HeaderRule {
    if (hidden.has(canonical) || droppedStarts.some((start) => canonical.startsWith(start))) return 'drop'
    if (Object.hasOwn(rules, name)) return rules[name]!
    // `X_Forwarded_For`, which some servers take for the same.
    if (Object.hasOwn(rules, canonical)) return 'drop'
    return canonical.startsWith('x-forwarded-') ? 'from proxies' : 'keep'
  }
}

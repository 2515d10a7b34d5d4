import type { Route } from '../formats/routes.ts'
import { canonicalizeHeaderName, hopByHopHeaders } from '../header-names.ts'
import { headerPresets } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Rejects keys that only apply to auth-only mode. */
export function checkForwardAuth({ proxy, forward_auth: { listen, path_prefix } }: Config): (RuleViolation | false)[] {
  const problem = 'is set, but proxy mode does not serve sub-requests'
  const fix = 'remove it, or set proxy.enabled: false'
  return [
    proxy.enabled && listen !== null && violation('forward_auth.listen', problem, fix, 'proxy.enabled'),
    proxy.enabled && path_prefix !== null && violation('forward_auth.path_prefix', problem, fix, 'proxy.enabled'),
  ]
}

export function checkProxy({ proxy: { enabled, elasticsearch_url, routes, tls } }: Config): (RuleViolation | false)[] {
  const urls = [...routes.flatMap(({ upstreams }) => upstreams), elasticsearch_url]
  const hasTlsKeys =
    tls.insecure_skip_verify || [tls.ca_cert, tls.client_cert, tls.client_key].some((file) => file !== null)
  if (!enabled) return []
  return [
    elasticsearch_url === null &&
      routes.length === 0 &&
      violation(
        'proxy.elasticsearch_url',
        'is required when proxy.enabled is true',
        'set it, or write proxy.routes',
        'proxy.routes',
      ),
    hasTlsKeys &&
      !tls.enabled &&
      violation('proxy.tls.enabled', 'is false, so other keys of proxy.tls would have no effect', 'set it to true'),
    tls.enabled &&
      urls.every((url) => url?.startsWith('https:') !== true) &&
      violation(
        'proxy.tls.enabled',
        'is true, but no upstream is https',
        'write https:// URLs, or set it to false',
        'proxy.routes',
      ),
  ]
}

/**
 * Headers that a route must not set, in addition to hop-by-hop headers. Setting them could break the framing of
 * requests (request smuggling) or forge the client's address.
 */
const reservedHeaders =
  /^(?:content-length|expect|forwarded|http2-settings|proxy-.*|x-forwarded-(?:for|host|port|proto))$/i

export function checkProxyRoutes({ proxy: { enabled, routes } }: Config): (RuleViolation | false)[] {
  if (!enabled) return []
  return routes.flatMap((route, index) => {
    const key = `proxy.routes[${index}]`
    const firstIndex = routes.findIndex((other) => matchOf(other) === matchOf(route))
    return [
      firstIndex < index &&
        violation(key, `matches the same host and path as proxy.routes[${firstIndex}]`, 'remove one of them'),
      route.strip_path &&
        matchOf(route).endsWith(' ') &&
        violation(key, 'has strip_path, but no path', 'write the path to strip'),
      Object.values(route.tls).some((value) => value !== null) &&
        route.upstreams.every((url) => !url.startsWith('https:')) &&
        violation(key, 'has tls, but no upstream that is https', 'write https:// URLs, or remove tls'),
      route.identity_headers &&
        route.auth === 'none' &&
        violation(key, 'has identity_headers, but auth: none', 'remove identity_headers, or write auth: required'),
      ...checkRouteHeaders(route, key),
    ]
  })
}

function checkRouteHeaders(
  { headers, auth, credential, identity_headers }: Route,
  key: string,
): (RuleViolation | false)[] {
  return Object.keys(headers).flatMap((name) => [
    isReserved(name) && violation(key, `sets ${name}, which elastauth controls`, 'remove it'),
    name.toLowerCase() === 'authorization' &&
      auth === 'required' &&
      credential === 'user' &&
      violation(
        key,
        'sets Authorization, which carries the credential of the user',
        'remove it, or write credential: none or auth: none',
      ),
    identity_headers &&
      identityHeaders.has(canonicalizeHeaderName(name)) &&
      violation(key, `sets ${name}, which identity_headers sets`, 'remove one of them'),
  ])
}

const { username, groups, email, name: fullName } = headerPresets.authelia
const identityHeaders = new Set([username, groups, email, fullName].map(canonicalizeHeaderName))

function isReserved(name: string): boolean {
  return hopByHopHeaders.has(name.toLowerCase()) || reservedHeaders.test(name)
}

/** The host and path that a route matches, normalized as src/proxy/routing/routes.ts does. */
function matchOf({ host, path }: Route): string {
  return `${host?.toLowerCase() ?? ''} ${(path ?? '').replace(/\/+$/, '')}`
}

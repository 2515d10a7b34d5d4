import type { Route } from '../formats/routes.ts'
import { hopByHopHeaders } from '../header-names.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Rejects keys that only apply to auth-only mode. */
export function checkForwardAuth({ proxy, forward_auth: { listen, path_prefix } }: Config): (RuleViolation | false)[] {
  const problem = 'is set, but proxy mode answers no sub-requests'
  const fix = 'remove it, or set proxy.enabled: false'
  return [
    proxy.enabled && listen !== null && violation('forward_auth.listen', problem, fix, 'proxy.enabled'),
    proxy.enabled && path_prefix !== null && violation('forward_auth.path_prefix', problem, fix, 'proxy.enabled'),
  ]
}

export function checkProxy({ proxy: { enabled, elasticsearch_url, routes, tls } }: Config): (RuleViolation | false)[] {
  const urls = [...routes.flatMap(({ upstreams }) => upstreams), elasticsearch_url]
  const isSet = tls.insecure_skip_verify || [tls.ca_cert, tls.client_cert, tls.client_key].some((file) => file !== null)
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
    isSet &&
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

/** For one connection, or ours to write: a route that set them would break the framing of requests, or who they come from. */
const reserved = /^(?:content-length|expect|forwarded|http2-settings|proxy-.*|x-forwarded-(?:for|host|port|proto))$/i

export function checkProxyRoutes({ proxy: { enabled, routes } }: Config): (RuleViolation | false)[] {
  if (!enabled) return []
  return routes.flatMap((route, index) => {
    const twin = routes.findIndex((other) => placeOf(other) === placeOf(route))
    return [
      twin < index &&
        violation(
          `proxy.routes[${index}]`,
          `takes the same host and path as proxy.routes[${twin}]`,
          'remove one of them',
        ),
      route.strip_path &&
        placeOf(route).endsWith(' ') &&
        violation(`proxy.routes[${index}]`, 'has strip_path, but no path', 'write the path to strip'),
      Object.values(route.tls).some((value) => value !== null) &&
        route.upstreams.every((url) => !url.startsWith('https:')) &&
        violation(
          `proxy.routes[${index}]`,
          'has tls, but no upstream that is https',
          'write https:// URLs, or remove it',
        ),
      ...Object.keys(route.headers).flatMap((name): (RuleViolation | false)[] => [
        isReserved(name) && violation(`proxy.routes[${index}]`, `sets ${name}, which is not its to set`, 'remove it'),
        name.toLowerCase() === 'authorization' &&
          route.auth === 'required' &&
          violation(
            `proxy.routes[${index}]`,
            'sets Authorization, which is the user’s',
            'remove it, or write auth: none',
          ),
      ]),
    ]
  })
}

function isReserved(name: string): boolean {
  return hopByHopHeaders.has(name.toLowerCase()) || reserved.test(name)
}

/** What a route takes, as src/proxy/routing/routes.ts compares it. */
function placeOf({ host, path }: Route): string {
  return `${host?.toLowerCase() ?? ''} ${(path ?? '').replace(/\/+$/, '')}`
}

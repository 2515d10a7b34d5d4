import { type RouteTls, routeDefaults } from '../../../config/formats/routes.ts'
import type { Config } from '../../../config/schema.ts'
import type { RoutingOptions, TlsFiles } from '../../proxy/routing/routing.ts'
import type { UpstreamTls } from '../../proxy/routing/tls.ts'
import { readCa, readPem } from './pem.ts'

/** The routes of proxy mode; undefined in auth-only mode. */
export function routingOptions({ proxy }: Config): Omit<RoutingOptions, 'onHealth'> | undefined {
  if (!proxy.enabled) return undefined
  const { elasticsearch_url, routes, tls, ...settings } = proxy
  const all = elasticsearch_url === null ? routes : [...routes, { ...routeDefaults, upstreams: [elasticsearch_url] }]
  return {
    routes: all.map((route) => ({ ...route, tls: tlsFilesOf(route.tls, tls) })),
    timeoutMs: settings.timeout,
    clientTimeoutMs: settings.client_timeout,
    idleTimeoutMs: settings.idle_conn_timeout,
    maxIdleConnections: settings.max_idle_conns,
    readTls,
  }
}

/** The URLs of all upstreams, each of them once. */
export function upstreamUrls({ proxy }: Config): string[] {
  const urls = [...proxy.routes.flatMap((route) => route.upstreams), proxy.elasticsearch_url]
  return [...new Set(urls.filter((url) => url !== null))]
}

/**
 * The route's own files, or else those in `proxy.tls`. A client certificate and its key always come from the same
 * place.
 */
function tlsFilesOf(route: RouteTls, all: Config['proxy']['tls']): TlsFiles {
  const { client_cert, client_key } = route.client_cert === null ? all : route
  return {
    ca_cert: route.ca_cert ?? all.ca_cert,
    client_cert,
    client_key,
    server_name: route.server_name,
    insecure_skip_verify: route.insecure_skip_verify ?? all.insecure_skip_verify,
  }
}

function readTls({ ca_cert, client_cert, client_key, server_name, insecure_skip_verify }: TlsFiles): UpstreamTls {
  return {
    ca: readCa(ca_cert),
    cert: readPem(client_cert),
    key: readPem(client_key),
    serverName: server_name ?? undefined,
    insecureSkipVerify: insecure_skip_verify,
  }
}

import type { IncomingMessage } from 'node:http'
import { headerPresets } from '../config/header-presets.ts'
import type { Config } from '../config/schema.ts'
import type { Credentials } from './auth/credentials.ts'
import { createSubject } from './auth/subject.ts'
import type { Logger } from './log.ts'
import { readPem } from './pem.ts'
import { createAdmit, createProxyHandler, type ProxyHandlerOptions } from './proxy/handler.ts'
import { createBuildUpstreamHeaders } from './proxy/headers.ts'
import { createRouting, type Routing } from './proxy/routing.ts'
import { createTunnels, createUpgrade, isWebSocket, type Tunnels } from './proxy/upgrade.ts'
import type { Front } from './server.ts'

/** What of proxy mode lives as long as the process: routes, connections, tunnels. */
export type ProxyParts = Readonly<{
  routing: Routing
  tunnels: Tunnels
  isUpgrade: (request: IncomingMessage) => boolean
  createMode: (options: ProxyModeOptions) => Pick<Front, 'handle' | 'upgrade'>
}>

export function createProxyParts(
  { elasticsearch_url, routes, tls, ...settings }: Config['proxy'],
  log: Logger,
): ProxyParts {
  const everything = { host: null, path: null, strip_path: false, auth: 'required', headers: {} } as const
  const routing = createRouting({
    // The last resort: where a route takes everything itself, this one is never reached.
    routes: elasticsearch_url === null ? routes : [...routes, { ...everything, upstreams: [elasticsearch_url] }],
    timeout: settings.timeout,
    idleTimeout: settings.idle_conn_timeout,
    maxIdle: settings.max_idle_conns,
    tls: {
      ca: readPem(tls.ca_cert),
      cert: readPem(tls.client_cert),
      key: readPem(tls.client_key),
      insecureSkipVerify: tls.insecure_skip_verify,
    },
    onHealth: (upstream, isHealthy) => {
      if (isHealthy) log.info(`upstream ${upstream} is back`)
      else log.warn({ 'error.code': 'upstream_unavailable' }, `upstream ${upstream} cannot be reached`)
    },
  })
  const tunnels = createTunnels(routing)
  const createMode = (options: ProxyModeOptions) => createProxyMode(routing, tunnels, options)
  return Object.freeze({ routing, tunnels, isUpgrade: isWebSocket, createMode })
}

export type ProxyModeOptions = Pick<ProxyHandlerOptions, 'authenticate' | 'isTrusted'> &
  Readonly<{
    /** The headers that say who the user is, and the one that proves who says so. */
    privateHeaders: readonly string[]
    heal: Credentials['heal']
  }>

/** Proxy mode: every request outside `/elastauth/` goes on upstream, with the credential of its user. */
function createProxyMode(
  routing: Routing,
  tunnels: Tunnels,
  options: ProxyModeOptions,
): Pick<Front, 'handle' | 'upgrade'> {
  const { privateHeaders, authenticate, isTrusted, heal } = options
  // Other providers' headers go too: an upstream may know them, and nobody has checked them.
  const presets = Object.values(headerPresets).flatMap(({ groupsSeparator: _, ...names }) => Object.values(names))
  const handlerOptions: ProxyHandlerOptions = {
    routing,
    authenticate,
    isTrusted,
    buildHeaders: createBuildUpstreamHeaders({ private: [...presets, ...privateHeaders] }),
    heal: ({ identity, roles, credential }) => heal(createSubject(identity, roles), credential),
  }
  return {
    handle: createProxyHandler(handlerOptions),
    upgrade: createUpgrade(createAdmit(handlerOptions), routing, tunnels),
  }
}

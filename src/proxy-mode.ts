import type { IncomingMessage } from 'node:http'
import { headerPresets } from '../config/header-presets.ts'
import type { RouteTls } from '../config/routes.ts'
import type { Config } from '../config/schema.ts'
import type { Credentials } from './auth/credentials.ts'
import { createSubject } from './auth/subject.ts'
import type { Logger } from './log.ts'
import { readPem } from './pem.ts'
import { createAdmit, createProxyHandler, type ProxyHandlerOptions } from './proxy/handler.ts'
import { createBuildUpstreamHeaders } from './proxy/headers.ts'
import { createKibanaLogout, type KibanaLogoutOptions } from './proxy/kibana-logout.ts'
import { createRouting, type Routing, type TlsFiles } from './proxy/routing.ts'
import type { UpstreamTls } from './proxy/tls.ts'
import { createTurns, type Turns } from './proxy/turns.ts'
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
  const everything = { host: null, path: null, strip_path: false, auth: 'required', headers: {}, tls: noTls } as const
  // The last resort: where a route takes everything itself, this one is never reached.
  const all = elasticsearch_url === null ? routes : [...routes, { ...everything, upstreams: [elasticsearch_url] }]
  const routing = createRouting({
    routes: all.map((route) => ({ ...route, tls: tlsFilesOf(route.tls, tls) })),
    timeout: settings.timeout,
    clientTimeout: settings.client_timeout,
    idleTimeout: settings.idle_conn_timeout,
    maxIdle: settings.max_idle_conns,
    readTls,
    onHealth: (upstream, isHealthy) => {
      if (isHealthy) log.info(`upstream ${upstream} is back`)
      else log.warn({ 'error.code': 'upstream_unavailable' }, `upstream ${upstream} cannot be reached`)
    },
  })
  const tunnels = createTunnels(routing)
  const turns = createTurns()
  return Object.freeze({
    routing,
    tunnels,
    // Where answers are still to go out, an upgrade is an ordinary request: a tunnel's bytes would go before them.
    isUpgrade: (request: IncomingMessage) => isWebSocket(request) && !turns.isBusy(request.socket),
    createMode: (options: ProxyModeOptions) => createProxyMode({ routing, tunnels, turns }, options),
  })
}

const noTls: RouteTls = Object.freeze({
  ca_cert: null,
  client_cert: null,
  client_key: null,
  server_name: null,
  insecure_skip_verify: null,
})

/** A route's own, else those for all upstreams. A client certificate and its key are taken together. */
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
    ca: readPem(ca_cert),
    cert: readPem(client_cert),
    key: readPem(client_key),
    serverName: server_name ?? undefined,
    insecureSkipVerify: insecure_skip_verify,
  }
}

export type ProxyModeOptions = Pick<ProxyHandlerOptions, 'authenticate' | 'isTrusted'> &
  Readonly<{
    /** The headers that say who the user is, and the one that proves who says so. */
    privateHeaders: readonly string[]
    /** Cookies whose value is a token. */
    privateCookies: readonly string[]
    heal: Credentials['heal']
    /** Where people log in with us, Kibana's logout is ours. */
    logout?: Omit<KibanaLogoutOptions, 'routing'> | undefined
  }>

/** Proxy mode: every request outside `/elastauth/` goes on upstream, with the credential of its user. */
function createProxyMode(
  { routing, tunnels, turns }: Pick<ProxyParts, 'routing' | 'tunnels'> & Readonly<{ turns: Turns }>,
  options: ProxyModeOptions,
): Pick<Front, 'handle' | 'upgrade'> {
  const { privateHeaders, privateCookies, authenticate, isTrusted, heal, logout } = options
  // Other providers' headers go too: an upstream may know them, and nobody has checked them.
  const presets = Object.values(headerPresets).flatMap(({ groupsSeparator: _, ...names }) => Object.values(names))
  const handlerOptions: ProxyHandlerOptions = {
    routing,
    turns,
    authenticate,
    isTrusted,
    buildHeaders: createBuildUpstreamHeaders({ private: [...presets, ...privateHeaders], privateCookies }),
    heal: ({ identity, roles, credential }) => heal(createSubject(identity, roles), credential),
  }
  const proxy = createProxyHandler(handlerOptions)
  const answerLogout = logout && createKibanaLogout({ routing, ...logout })
  return {
    handle: answerLogout ? (request) => answerLogout(request) ?? proxy(request) : proxy,
    upgrade: createUpgrade(createAdmit(handlerOptions), routing, tunnels),
  }
}

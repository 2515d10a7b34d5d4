import type { IncomingMessage } from 'node:http'
import { headerPresets } from '../../config/header-presets.ts'
import type { Config } from '../../config/schema.ts'
import type { Credentials } from '../auth/credentials/credentials.ts'
import { createSubject } from '../auth/subject.ts'
import type { Logger } from '../observability/log.ts'
import { createPrepareRequest, createProxyHandler, type ProxyHandlerOptions } from '../proxy/handler.ts'
import { createPrivateCookies } from '../proxy/headers/cookies.ts'
import { createBuildUpstreamHeaders } from '../proxy/headers/request-headers.ts'
import { createBuildResponseHeaders } from '../proxy/headers/response-headers.ts'
import { createKibanaLogout, type KibanaLogoutOptions } from '../proxy/kibana-logout.ts'
import { createRouting, type Routing } from '../proxy/routing/routing.ts'
import { createTunnels, createWebSocketUpgrade, isWebSocket, type Tunnels } from '../proxy/websocket/upgrade.ts'
import type { RequestHandlers } from '../server/options.ts'
import { routingOptions } from './options/proxy.ts'

/** What of proxy mode lives as long as the process: routes, connections, tunnels. */
export type ProxyServices = Readonly<{
  routing: Routing
  tunnels: Tunnels
  isUpgrade: (request: IncomingMessage) => boolean
  createMode: (options: ProxyModeOptions) => Pick<RequestHandlers, 'handle' | 'upgrade' | 'waitsForPreviousResponses'>
}>

export function createProxyServices(proxy: Config['proxy'], log: Logger): ProxyServices {
  const routing = createRouting({
    ...routingOptions(proxy),
    onHealth: (upstream, isHealthy) => {
      if (isHealthy) log.info(`upstream ${upstream} is back`)
      else log.warn({ 'error.code': 'upstream_unavailable' }, `upstream ${upstream} cannot be reached`)
    },
  })
  const tunnels = createTunnels(routing)
  return Object.freeze({
    routing,
    tunnels,
    isUpgrade: isWebSocket,
    createMode: (options: ProxyModeOptions) => createProxyMode({ routing, tunnels }, options),
  })
}

export type ProxyModeOptions = Pick<ProxyHandlerOptions, 'authenticate' | 'isTrusted' | 'canReset'> &
  Readonly<{
    /** The headers that say who the user is, and the one that proves who says so. */
    privateHeaders: readonly string[]
    /** Cookies whose value is a token. */
    privateCookies: readonly string[]
    reissue: Credentials['reissue']
    /** Where people log in with us, Kibana's logout is ours. */
    logout?: Omit<KibanaLogoutOptions, 'routing'> | undefined
  }>

/** Proxy mode: every request outside `/elastauth/` goes on upstream, with the credential of its user. */
function createProxyMode(
  { routing, tunnels }: Pick<ProxyServices, 'routing' | 'tunnels'>,
  options: ProxyModeOptions,
): Pick<RequestHandlers, 'handle' | 'upgrade' | 'waitsForPreviousResponses'> {
  const { privateHeaders, privateCookies, authenticate, isTrusted, canReset, reissue, logout } = options
  // Other providers' headers go too: an upstream may know them, and nobody has checked them.
  const presets = Object.values(headerPresets).flatMap(({ groupsSeparator: _, ...names }) => Object.values(names))
  const cookies = createPrivateCookies(privateCookies)
  const handlerOptions: ProxyHandlerOptions = {
    routing,
    authenticate,
    isTrusted,
    canReset,
    buildHeaders: createBuildUpstreamHeaders({ headers: [...presets, ...privateHeaders], cookies: cookies }),
    buildResponseHeaders: createBuildResponseHeaders(cookies),
    reissue: ({ identity, roles, credential }) => reissue(createSubject(identity, roles), credential),
  }
  const proxy = createProxyHandler(handlerOptions)
  const answerLogout = logout && createKibanaLogout({ routing, ...logout })
  return {
    handle: answerLogout ? (request) => answerLogout(request) ?? proxy(request) : proxy,
    upgrade: createWebSocketUpgrade(createPrepareRequest(handlerOptions), handlerOptions, tunnels),
    waitsForPreviousResponses: true,
  }
}

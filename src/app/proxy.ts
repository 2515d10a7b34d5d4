import type { IncomingMessage } from 'node:http'
import { headerPresets } from '../../config/header-presets.ts'
import type { Credentials } from '../auth/credentials/credentials.ts'
import { createSubject } from '../auth/subject.ts'
import type { ModeHandler } from '../http/handler.ts'
import { logEvent } from '../observability/events.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { createProxyHandler } from '../proxy/handler.ts'
import { createPrivateCookies } from '../proxy/headers/cookies.ts'
import { createBuildUpstreamHeaders } from '../proxy/headers/request-headers.ts'
import { createBuildResponseHeaders } from '../proxy/headers/response-headers.ts'
import { createKibanaLogout, type KibanaLogoutOptions } from '../proxy/kibana-logout.ts'
import type { Observe } from '../proxy/observe.ts'
import { createPrepareRequest, type PrepareRequestOptions } from '../proxy/prepare-request.ts'
import { createRouting, type Routing, type RoutingOptions } from '../proxy/routing/routing.ts'
import type { Upstream } from '../proxy/routing/upstreams.ts'
import { createTunnels, createWebSocketUpgrade, isWebSocketUpgrade, type Tunnels } from '../proxy/websocket/upgrade.ts'
import { createUserTunnels, type UserTunnels, type UserTunnelsOptions } from '../proxy/websocket/user-tunnels.ts'
import type { RequestHandlers } from '../server/options.ts'
import type { PrepareReload } from './reload.ts'
import type { Tracing } from './tracing.ts'

/** The parts of proxy mode that live as long as the process: routes, connections, tunnels. */
export type ProxyServices = Readonly<{
  routing: Routing
  tunnels: Tunnels
  /** Closes the tunnels of a user whose access has ended. */
  checkTunnels: UserTunnels['check']
  prepareReload: PrepareReload
  isUpgrade: (request: IncomingMessage) => boolean
  createMode: (options: ProxyModeOptions) => Pick<RequestHandlers, 'handle' | 'upgrade' | 'waitsForPreviousResponses'>
}>

/** `tracing`, `metrics` and `observe` are undefined if they are off. */
type ProxyDeps = Readonly<{
  tracing: Tracing | undefined
  metrics: Metrics | undefined
  tunnelUsers: Omit<UserTunnelsOptions, 'onClosed'>
  observe: Observe | undefined
}>

export function createProxyServices(
  options: Omit<RoutingOptions, 'onHealth'>,
  log: Logger,
  { tracing, metrics, observe, tunnelUsers }: ProxyDeps,
): ProxyServices {
  const routing = createRouting({
    ...options,
    traceUpstream: tracing?.upstream,
    latencyOf: metrics?.upstreamLatency,
    onHealth: (upstream, isHealthy) => {
      if (isHealthy) log.info(`upstream ${upstream} is reachable again`)
      else log.warn({ 'error.code': 'upstream_unavailable' }, `upstream ${upstream} cannot be reached`)
    },
  })
  const userTunnels = createUserTunnels({ ...tunnelUsers, onClosed: createReportClosed(log) })
  const untracedTunnels = createTunnels(routing, userTunnels)
  const tunnels = tracing?.tunnels(untracedTunnels) ?? untracedTunnels
  if (metrics) addGauges(metrics, routing, tunnels)
  return Object.freeze({
    routing,
    tunnels,
    checkTunnels: userTunnels.check,
    prepareReload: routing.prepareRenewal, // the paths of the certificates are not reloadable, only the files
    isUpgrade: isWebSocketUpgrade,
    createMode: (options: ProxyModeOptions) => createProxyMode({ routing, tunnels, observe }, options),
  })
}

function createReportClosed(log: Logger): UserTunnelsOptions['onClosed'] {
  return (username, count) => {
    const what = `${count} WebSocket${count === 1 ? '' : 's'} closed`
    logEvent(
      log,
      'tunnels_closed',
      { 'user.name': username },
      `user ${username}: revoked, disabled or deleted; ${what}`,
    )
  }
}

function addGauges(metrics: Metrics, routing: Routing, tunnels: Tunnels): void {
  metrics.read('elastauth_open_tunnels', tunnels.count)
  metrics.read('elastauth_upstream_up', () =>
    byOrigin((upstreams) => Number(upstreams.every((one) => one.isHealthy()))),
  )
  metrics.read('elastauth_upstream_active_requests', () =>
    byOrigin((upstreams) => sum(upstreams.map((one) => one.inFlight()))),
  )
  metrics.read('elastauth_upstream_connections', () =>
    byOrigin((upstreams) => sum(upstreams.map((one) => one.connections()))),
  )

  /** Upstreams with the same origin, but other paths or certificates, have one value. */
  function byOrigin(read: (upstreams: readonly Upstream[]) => number): [origin: string, value: number][] {
    const groups = Map.groupBy(routing.upstreams(), ({ url }) => url.origin)
    return [...groups].map(([origin, upstreams]) => [origin, read(upstreams)])
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** Requests each upstream once. @returns the origins that do not respond */
export async function findDeadUpstreams(options: Omit<RoutingOptions, 'onHealth'>): Promise<string[]> {
  const routing = createRouting({ ...options, onHealth: () => {} })
  try {
    const states = Object.entries(routing.checks).map(
      async ([name, check]) =>
        [name.replace(/^upstream /, ''), (await check().catch(() => 'down')) !== undefined] as const,
    )
    return (await Promise.all(states)).filter(([, isDead]) => isDead).map(([origin]) => origin)
  } finally {
    await routing.close()
  }
}

export type ProxyModeOptions = Pick<PrepareRequestOptions, 'authenticate' | 'resolveSubject' | 'canReset'> &
  Readonly<{
    /** The names of headers that assert an identity, or prove that a trusted proxy sent the request. */
    privateHeaders: readonly string[]
    /** The names of cookies that contain a token. */
    privateCookies: readonly string[]
    reissue: Credentials['reissue']
    reissueInBackground: Credentials['reissueInBackground']
    /** Makes Kibana's logout end elastauth's session; undefined if login is not enabled. */
    logout?: Omit<KibanaLogoutOptions, 'routing'> | undefined
  }>

/** Proxy mode: forwards each request outside `/elastauth/` to an upstream, with the user's credential. */
function createProxyMode(
  { routing, tunnels, observe }: Pick<ProxyServices, 'routing' | 'tunnels'> & Pick<ProxyDeps, 'observe'>,
  options: ProxyModeOptions,
): Pick<RequestHandlers, 'handle' | 'upgrade' | 'waitsForPreviousResponses'> {
  const { reissue, reissueInBackground, logout } = options
  const { prepareRequest, cookies } = createPrepare(routing, options)
  const buildResponseHeaders = createBuildResponseHeaders(cookies)
  const proxyRequest = createProxyHandler(prepareRequest, {
    routing,
    buildResponseHeaders,
    reissue: ({ identity, roles, credential }) => reissue(createSubject(identity, roles), credential),
    reissueInBackground: ({ identity, roles, credential }) =>
      reissueInBackground(createSubject(identity, roles), credential),
    observe,
  })
  return {
    handle: withKibanaLogout(proxyRequest, routing, logout),
    upgrade: createWebSocketUpgrade(prepareRequest, { routing, buildResponseHeaders, observe }, tunnels),
    waitsForPreviousResponses: true,
  }
}

/** The steps before a request is forwarded. */
export function createPrepare(
  routing: Routing,
  { privateHeaders, privateCookies, authenticate, resolveSubject, canReset }: ProxyModeOptions,
) {
  // The identity headers of all presets are stripped, because an upstream may trust headers that elastauth has not
  // verified.
  const presets = Object.values(headerPresets).flatMap(({ groupsSeparator: _, ...names }) => Object.values(names))
  const cookies = createPrivateCookies(privateCookies)
  const buildUpstreamHeaders = createBuildUpstreamHeaders({ headers: [...presets, ...privateHeaders], cookies })
  const prepareRequest = createPrepareRequest({ routing, authenticate, resolveSubject, canReset, buildUpstreamHeaders })
  return { prepareRequest, cookies }
}

export function withKibanaLogout(
  handle: ModeHandler,
  routing: Routing,
  logout: ProxyModeOptions['logout'],
): ModeHandler {
  if (logout === undefined) return handle
  const handleLogout = createKibanaLogout({ routing, ...logout })
  return (context) => handleLogout(context) ?? handle(context)
}

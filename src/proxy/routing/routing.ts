import type { RouteTls } from '../../../config/formats/routes.ts'
import { runHealthChecks } from './health.ts'
import { createUpstreamChecks, type UpstreamChecks } from './readiness.ts'
import { createPickRoute, type RouteMatch } from './routes.ts'
import type { UpstreamTls } from './tls.ts'
import { createPickUpstream, createUpstream, type Upstream, type UpstreamOptions } from './upstreams.ts'

/** What reaches the upstream of a route, besides the client's request. */
type RouteForwarding = Readonly<{
  strip_path: boolean
  /** Whether `Authorization` has the credential of the user. */
  credential: 'user' | 'none'
  /** Whether `Remote-User` and other headers name the user. */
  identity_headers: boolean
}>

export type RouteOptions = RouteMatch &
  RouteForwarding &
  Readonly<{
    upstreams: readonly string[]
    headers: Readonly<Record<string, string>>
    tls: TlsFiles
  }>

/** The paths of the certificates for an upstream, and other options of the TLS connections to it. */
export type TlsFiles = Omit<RouteTls, 'insecure_skip_verify'> & Readonly<{ insecure_skip_verify: boolean }>

export type ProxyRoute = RouteMatch &
  RouteForwarding &
  Readonly<{
    upstreams: readonly Upstream[]
    /** The route's own headers, as alternating names and values. */
    headers: readonly string[]
  }>

export type RoutingOptions = UpstreamOptions &
  Readonly<{
    routes: readonly RouteOptions[]
    /** How long a client may pause while it reads a response. */
    clientTimeoutMs: number
    /** Reads the certificates. Throws Node's error if a file cannot be read. */
    readTls: (files: TlsFiles) => UpstreamTls
    onHealth: (upstream: string, isHealthy: boolean) => void
    /** Traces the requests to an upstream; undefined if tracing is off. */
    traceUpstream?: ((upstream: Upstream) => Upstream) | undefined
  }>

/** The routes and the connections to their upstreams, which live as long as the process. */
export type Routing = Readonly<{
  pickRoute: (host: string, path: string) => ProxyRoute | undefined
  pickUpstream: ReturnType<typeof createPickUpstream>
  /** Records whether a request could reach the upstream. */
  reportHealth: (upstream: Upstream, isHealthy: boolean) => void
  upstreams: () => Upstream[]
  timeoutMs: number
  clientTimeoutMs: number
  /**
   * Reads all certificates again, and returns a function that applies them. Throws if a certificate cannot be used;
   * then nothing changes.
   */
  prepareRenewal: () => () => void
  /** The readiness checks of the upstreams, by name. */
  checks: UpstreamChecks
  /** Checks the health of upstreams until `close`, for routes that have several. */
  startHealthChecks: () => void
  close: () => Promise<void>
}>

export function createRouting({
  routes,
  clientTimeoutMs,
  readTls,
  onHealth,
  traceUpstream,
  ...options
}: RoutingOptions): Routing {
  const upstreams = new Map<string, Readonly<{ upstream: Upstream; files: TlsFiles }>>()
  const closing = new AbortController()
  const proxyRoutes = routes.map((route) => ({
    ...route,
    upstreams: [...new Set(route.upstreams)].map((url) => upstreamFor(url, route.tls)),
    headers: Object.entries(route.headers).flat(),
  }))

  /** Routes to the same URL with the same TLS options share connections. */
  function upstreamFor(url: string, files: TlsFiles): Upstream {
    const key = JSON.stringify([url, files])
    const { upstream } = upstreams.get(key) ?? { upstream: create(url, files) }
    upstreams.set(key, { upstream, files })
    return upstream
  }

  function create(url: string, files: TlsFiles): Upstream {
    const upstream = createUpstream(new URL(url), readTls(files), options)
    return traceUpstream?.(upstream) ?? upstream
  }

  const onChange = ({ url }: Upstream, isHealthy: boolean) => onHealth(url.origin, isHealthy)
  return Object.freeze({
    pickRoute: createPickRoute<ProxyRoute>(proxyRoutes),
    pickUpstream: createPickUpstream(),
    reportHealth(upstream: Upstream, isHealthy: boolean) {
      if (upstream.setHealthy(isHealthy)) onChange(upstream, isHealthy)
    },
    upstreams: () => [...upstreams.values()].map(({ upstream }) => upstream),
    timeoutMs: options.timeoutMs,
    clientTimeoutMs,
    prepareRenewal() {
      const renewals = [...upstreams.values()].map(({ upstream, files }) => upstream.prepareRenewal(readTls(files)))
      return () => {
        for (const renew of renewals) renew()
      }
    },
    checks: createUpstreamChecks(proxyRoutes),
    startHealthChecks() {
      const checked = new Set(
        proxyRoutes.filter((route) => route.upstreams.length > 1).flatMap((route) => route.upstreams),
      )
      if (checked.size > 0) void runHealthChecks([...checked], { onChange, signal: closing.signal })
    },
    async close() {
      closing.abort()
      await Promise.all([...upstreams.values()].map(({ upstream }) => upstream.close()))
    },
  })
}

import type { RouteTls } from '../../../config/formats/routes.ts'
import { runHealthChecks } from './health.ts'
import { createPickRoute, type RouteMatch } from './routes.ts'
import type { UpstreamTls } from './tls.ts'
import { createPickUpstream, createUpstream, type Upstream, type UpstreamOptions } from './upstreams.ts'

export type RouteOptions = RouteMatch &
  Readonly<{
    upstreams: readonly string[]
    strip_path: boolean
    headers: Readonly<Record<string, string>>
    tls: TlsFiles
  }>

/** Where an upstream's certificates are, and what else its connections need. */
export type TlsFiles = Omit<RouteTls, 'insecure_skip_verify'> & Readonly<{ insecure_skip_verify: boolean }>

export type ProxyRoute = RouteMatch &
  Readonly<{
    upstreams: readonly Upstream[]
    strip_path: boolean
    /** Names and values in turn. */
    headers: readonly string[]
  }>

export type RoutingOptions = UpstreamOptions &
  Readonly<{
    routes: readonly RouteOptions[]
    /** How long a client may take nothing of an answer, in milliseconds. */
    clientTimeoutMs: number
    /** Throws what reading throws. */
    readTls: (files: TlsFiles) => UpstreamTls
    onHealth: (upstream: string, isHealthy: boolean) => void
  }>

/** Where requests go: the routes and the connections of their upstreams. Lives as long as the process. */
export type Routing = Readonly<{
  pickRoute: (host: string, path: string) => ProxyRoute | undefined
  pickUpstream: ReturnType<typeof createPickUpstream>
  /** What a request found out about an upstream. */
  reportHealth: (upstream: Upstream, isHealthy: boolean) => void
  timeoutMs: number
  clientTimeoutMs: number
  /** Reads all certificates again; what it returns puts them in force. Throws, and has changed nothing, when it cannot. */
  prepareRenewal: () => () => void
  /** Starts the checks of those that have others to stand in for them. */
  startHealthChecks: () => void
  close: () => Promise<void>
}>

export function createRouting({ routes, clientTimeoutMs, readTls, onHealth, ...options }: RoutingOptions): Routing {
  const upstreams = new Map<string, Readonly<{ upstream: Upstream; files: TlsFiles }>>()
  const stopped = new AbortController()
  const compiled = routes.map((route) => ({
    ...route,
    upstreams: [...new Set(route.upstreams)].map((url) => upstreamAt(url, route.tls)),
    headers: Object.entries(route.headers).flat(),
  }))

  /** Routes share the connections of an upstream that they reach in the same way. */
  function upstreamAt(url: string, files: TlsFiles): Upstream {
    const key = JSON.stringify([url, files])
    const { upstream } = upstreams.get(key) ?? { upstream: createUpstream(new URL(url), readTls(files), options) }
    upstreams.set(key, { upstream, files })
    return upstream
  }

  const onChange = ({ url }: Upstream, isHealthy: boolean) => onHealth(url.origin, isHealthy)
  return Object.freeze({
    pickRoute: createPickRoute<ProxyRoute>(compiled),
    pickUpstream: createPickUpstream(),
    reportHealth(upstream: Upstream, isHealthy: boolean) {
      if (upstream.setHealthy(isHealthy)) onChange(upstream, isHealthy)
    },
    timeoutMs: options.timeoutMs,
    clientTimeoutMs,
    prepareRenewal() {
      const renewals = [...upstreams.values()].map(({ upstream, files }) => upstream.prepareRenewal(readTls(files)))
      return () => {
        for (const renew of renewals) renew()
      }
    },
    startHealthChecks() {
      const watched = new Set(
        compiled.filter((route) => route.upstreams.length > 1).flatMap((route) => route.upstreams),
      )
      if (watched.size > 0) void runHealthChecks([...watched], onChange, stopped.signal)
    },
    async close() {
      stopped.abort()
      await Promise.all([...upstreams.values()].map(({ upstream }) => upstream.close()))
    },
  })
}

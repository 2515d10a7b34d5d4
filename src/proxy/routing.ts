import { watchHealth } from './health.ts'
import { createPickRoute, type RouteMatch } from './routes.ts'
import { createPickUpstream, createUpstream, type Upstream, type UpstreamOptions } from './upstreams.ts'

export type RouteOptions = RouteMatch &
  Readonly<{
    upstreams: readonly string[]
    strip_path: boolean
    headers: Readonly<Record<string, string>>
  }>

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
    onHealth: (upstream: string, isHealthy: boolean) => void
  }>

/** Where requests go: the routes and the connections of their upstreams. Lives as long as the process. */
export type Routing = Readonly<{
  pickRoute: (host: string, path: string) => ProxyRoute | undefined
  pickUpstream: ReturnType<typeof createPickUpstream>
  /** What a request found out about an upstream. */
  report: (upstream: Upstream, isHealthy: boolean) => void
  timeout: number
  tls: UpstreamOptions['tls']
  /** Starts the checks of those that have others to stand in for them. */
  watch: () => void
  close: () => Promise<void>
}>

export function createRouting({ routes, onHealth, ...options }: RoutingOptions): Routing {
  const upstreams = new Map<string, Upstream>()
  const stopped = new AbortController()
  const compiled = routes.map((route) => ({
    ...route,
    upstreams: [...new Set(route.upstreams)].map(upstreamAt),
    headers: Object.entries(route.headers).flat(),
  }))

  function upstreamAt(url: string): Upstream {
    const upstream = upstreams.get(url) ?? createUpstream(new URL(url), options)
    upstreams.set(url, upstream)
    return upstream
  }

  const onChange = ({ url }: Upstream, isHealthy: boolean) => onHealth(url.origin, isHealthy)
  return Object.freeze({
    pickRoute: createPickRoute<ProxyRoute>(compiled),
    pickUpstream: createPickUpstream(),
    report(upstream: Upstream, isHealthy: boolean) {
      if (upstream.setHealthy(isHealthy)) onChange(upstream, isHealthy)
    },
    timeout: options.timeout,
    tls: options.tls,
    watch() {
      const watched = new Set(
        compiled.filter((route) => route.upstreams.length > 1).flatMap((route) => route.upstreams),
      )
      if (watched.size > 0) void watchHealth([...watched], onChange, stopped.signal)
    },
    async close() {
      stopped.abort()
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()))
    },
  })
}

import type { Dispatcher, Pool } from 'undici'
import { withoutTrailingSlashes } from '../../http/target.ts'
import { createPool, type PoolOptions } from './pool.ts'
import { createTlsOptions, type TlsOptions, type UpstreamTls } from './tls.ts'

/** A server that requests are forwarded to. */
export type Upstream = Readonly<{
  url: URL
  dispatch: (options: UpstreamRequest, handler: Dispatcher.DispatchHandler) => void
  /**
   * Counts a request as in flight until the returned function is called. Further calls of that function have no effect.
   */
  trackRequest: () => () => void
  inFlight: () => number
  /** The number of open connections, without those of tunnels. */
  connections: () => number
  /** Undefined if latencies are not measured. */
  latency: UpstreamLatency | undefined
  isHealthy: () => boolean
  /** @returns whether the state has changed */
  setHealthy: (isHealthy: boolean) => boolean
  /** The TLS options for connections outside the pool; undefined unless the upstream uses https. */
  tls: () => TlsOptions | undefined
  /**
   * Returns a function that makes new connections use the given certificates, while requests in flight keep their
   * connections. Throws OpenSSL's error if it cannot use a certificate.
   */
  prepareRenewal: (tls: UpstreamTls) => () => void
  close: () => Promise<void>
}>

export type UpstreamRequest = Pick<Dispatcher.DispatchOptions, 'method' | 'path' | 'body'> & {
  headers: string[]
  /** Whether to open a new connection instead of reusing one, which the upstream may be closing. */
  onNewConnection?: boolean
}

export type UpstreamOptions = PoolOptions &
  Readonly<{
    maxIdleConnections: number
    /** Where the latencies of an origin are collected; undefined if they are not measured. */
    latencyOf?: ((origin: string) => UpstreamLatency) | undefined
  }>

/** Collects the times from forwarding a request to the head of its response. */
export type UpstreamLatency = Readonly<{ observe: (seconds: number) => void }>

/** Throws OpenSSL's error if it cannot use a certificate. */
export function createUpstream(
  url: URL,
  tls: UpstreamTls,
  { maxIdleConnections, latencyOf, ...poolOptions }: UpstreamOptions,
): Upstream {
  let connections = connect(tls)
  const basePath = withoutTrailingSlashes(url.pathname)
  let inFlight = 0
  let healthy = true

  function connect(certificates: UpstreamTls): Connections {
    const options = url.protocol === 'https:' ? createTlsOptions(url, certificates) : undefined
    const [pool, singleUse] = [createPool(url, poolOptions, options), createPool(url, poolOptions, options)]
    return { certificates: JSON.stringify(certificates), tls: options, pool, singleUse }
  }

  return Object.freeze({
    url,
    dispatch({ method, path, headers, body = null, onNewConnection = false }, handler) {
      const pool = onNewConnection ? connections.singleUse : connections.pool
      const options: Dispatcher.DispatchOptions & { servername: string } = {
        method,
        path: basePath + path,
        headers,
        body,
        // A constant, because undici would treat each new Host as another TLS server. createPool sets the name to
        // verify.
        servername: url.hostname,
      }
      // Connections beyond `maxIdleConnections` are closed after their request.
      if (onNewConnection || inFlight > maxIdleConnections) options.reset = true
      pool.dispatch(options, handler)
    },
    trackRequest() {
      inFlight++
      let isDone = false
      return () => {
        if (!isDone) inFlight--
        isDone = true
      }
    },
    inFlight: () => inFlight,
    connections: () => connections.pool.stats.connected + connections.singleUse.stats.connected,
    latency: latencyOf?.(url.origin),
    isHealthy: () => healthy,
    setHealthy(isHealthy) {
      const isChange = healthy !== isHealthy
      healthy = isHealthy
      return isChange
    },
    tls: () => connections.tls,
    prepareRenewal(next) {
      if (JSON.stringify(next) === connections.certificates) return () => {}
      const renewed = connect(next)
      return () => {
        const { pool, singleUse } = connections
        connections = renewed
        void pool.close()
        void singleUse.close()
      }
    },
    async close() {
      await Promise.all([connections.pool.destroy(), connections.singleUse.destroy()])
    },
  } satisfies Upstream)
}

/** The connections to an upstream, with the certificates that they use. */
type Connections = Readonly<{
  /** The certificates as JSON, to detect changes. */
  certificates: string
  tls: TlsOptions | undefined
  pool: Pool
  /** Closes each connection after its first request. */
  singleUse: Pool
}>

/**
 * Load balancing: picks the upstream with the fewest requests in flight, round-robin among equals, and an unhealthy one
 * only if no healthy one is left. The returned function returns undefined if all upstreams were tried.
 */
export function createPickUpstream(): (
  upstreams: readonly Upstream[],
  tried: ReadonlySet<Upstream>,
) => Upstream | undefined {
  let start = 0

  return function pickUpstream(upstreams, tried) {
    if (upstreams.length === 1) return tried.has(upstreams[0]!) ? undefined : upstreams[0]
    start = (start + 1) % upstreams.length
    let best: Upstream | undefined
    for (let i = 0; i < upstreams.length; i++) {
      const upstream = upstreams[(start + i) % upstreams.length]!
      if (!tried.has(upstream) && (best === undefined || isBetter(upstream, best))) best = upstream
    }
    return best
  }
}

function isBetter(one: Upstream, other: Upstream): boolean {
  if (one.isHealthy() !== other.isHealthy()) return one.isHealthy()
  return one.inFlight() < other.inFlight()
}

import type { Dispatcher, Pool } from 'undici'
import { createPool, type PoolOptions } from './pool.ts'
import { createTlsOptions, type TlsOptions, type UpstreamTls } from './tls.ts'

/** A server that requests are forwarded to. */
export type Upstream = Readonly<{
  url: URL
  dispatch: (options: UpstreamRequest, handler: Dispatcher.DispatchHandler) => void
  /** Counts a request as in flight until the returned function is called, which is idempotent. */
  trackRequest: () => () => void
  inFlight: () => number
  isHealthy: () => boolean
  /** @returns whether this is a change */
  setHealthy: (isHealthy: boolean) => boolean
  /** For connections outside the pool; undefined unless the upstream is https. */
  tls: () => TlsOptions | undefined
  /**
   * The returned function makes new connections use these certificates, if they differ; requests in flight keep their
   * connections. Throws OpenSSL's error, and changes nothing, if it cannot use a certificate.
   */
  prepareRenewal: (tls: UpstreamTls) => () => void
  close: () => Promise<void>
}>

export type UpstreamRequest = Pick<Dispatcher.DispatchOptions, 'method' | 'path' | 'body'> & {
  headers: string[]
  /** Whether to open a new connection, which the upstream cannot have closed in the meantime. */
  onNewConnection?: boolean
}

export type UpstreamOptions = PoolOptions & Readonly<{ maxIdleConnections: number }>

/** Throws OpenSSL's error if it cannot use a certificate. */
export function createUpstream(
  url: URL,
  tls: UpstreamTls,
  { maxIdleConnections, ...poolOptions }: UpstreamOptions,
): Upstream {
  let connections = connect(tls)
  const basePath = url.pathname.replace(/\/+$/, '')
  let inFlight = 0
  let healthy = true

  function connect(certificates: UpstreamTls): Connections {
    const options = url.protocol === 'https:' ? createTlsOptions(url, certificates) : undefined
    const [pool, singleUse] = [createPool(url, poolOptions, options), createPool(url, poolOptions, options)]
    return { certificates: JSON.stringify(certificates), tls: options, pool, singleUse }
  }

  return Object.freeze({
    url,
    dispatch({ path, onNewConnection = false, ...request }, handler) {
      const pool = onNewConnection ? connections.singleUse : connections.pool
      pool.dispatch(
        {
          ...request,
          path: basePath + path,
          // A constant, or undici would treat each new Host as another TLS server. createPool sets the name to verify.
          ...{ servername: url.hostname },
          // Connections beyond the limit for idle ones are closed after their request.
          ...((onNewConnection || inFlight > maxIdleConnections) && { reset: true }),
        },
        handler,
      )
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
  /** As JSON, to detect changes. */
  certificates: string
  tls: TlsOptions | undefined
  pool: Pool
  /** Closes each connection after its first request. */
  singleUse: Pool
}>

/**
 * Load balancing by the least requests in flight, round-robin among equals. Healthy upstreams take precedence. The returned
 * function returns undefined if all upstreams were tried.
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

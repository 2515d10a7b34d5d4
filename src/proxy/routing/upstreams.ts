import type { Dispatcher, Pool } from 'undici'
import { createPool, type PoolOptions } from './pool.ts'
import { createTlsOptions, type TlsOptions, type UpstreamTls } from './tls.ts'

/** A server that we pass requests on to. */
export type Upstream = Readonly<{
  url: URL
  dispatch: (options: UpstreamRequest, handler: Dispatcher.DispatchHandler) => void
  /** Counts a request as under way, until the returned function is called. */
  trackRequest: () => () => void
  inFlight: () => number
  isHealthy: () => boolean
  /** Says so, and returns whether that is news. */
  setHealthy: (isHealthy: boolean) => boolean
  /** For a connection that is not one of ours; undefined where the upstream is not https. */
  tls: () => TlsOptions | undefined
  /**
   * What it returns lets new connections use these certificates, when they differ; requests under way end on their old
   * ones. Throws, and has changed nothing, where OpenSSL cannot use them.
   */
  prepareRenewal: (tls: UpstreamTls) => () => void
  close: () => Promise<void>
}>

export type UpstreamRequest = Pick<Dispatcher.DispatchOptions, 'method' | 'path' | 'body'> & {
  headers: string[]
  /** Whether it needs a new connection, which the upstream cannot have closed meanwhile. */
  onNewConnection?: boolean
}

export type UpstreamOptions = PoolOptions & Readonly<{ maxIdleConnections: number }>

/** Throws what OpenSSL says of certificates that it cannot use. */
export function createUpstream(
  url: URL,
  tls: UpstreamTls,
  { maxIdleConnections, ...agent }: UpstreamOptions,
): Upstream {
  let connections = connect(tls)
  const basePath = url.pathname.replace(/\/+$/, '')
  let inFlight = 0
  let healthy = true

  function connect(texts: UpstreamTls): Connections {
    const options = url.protocol === 'https:' ? createTlsOptions(url, texts) : undefined
    const [pool, singleUse] = [createPool(url, agent, options), createPool(url, agent, options)]
    return { texts: JSON.stringify(texts), tls: options, pool, singleUse }
  }

  return Object.freeze({
    url,
    dispatch({ path, onNewConnection = false, ...request }, handler) {
      const pool = onNewConnection ? connections.singleUse : connections.pool
      pool.dispatch(
        {
          ...request,
          path: basePath + path,
          // One constant name, or each new Host would be taken for another TLS server. See createPool for the real one.
          ...{ servername: url.hostname },
          // More connections than may idle end with their request.
          ...((onNewConnection || inFlight > maxIdleConnections) && { reset: true }),
        },
        handler,
      )
    },
    trackRequest() {
      inFlight++
      let isOver = false
      return () => {
        if (!isOver) inFlight--
        isOver = true
      }
    },
    inFlight: () => inFlight,
    isHealthy: () => healthy,
    setHealthy(isHealthy) {
      const isNews = healthy !== isHealthy
      healthy = isHealthy
      return isNews
    },
    tls: () => connections.tls,
    prepareRenewal(next) {
      if (JSON.stringify(next) === connections.texts) return () => {}
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

/** With the certificates that they are made with. */
type Connections = Readonly<{
  texts: string
  tls: TlsOptions | undefined
  pool: Pool
  /** Its connections close after their first request. */
  singleUse: Pool
}>

/** The least busy of the healthy ones that were not tried yet, else of the others; undefined when all were tried. Equals take turns. */
export function createPickUpstream(): (
  upstreams: readonly Upstream[],
  tried: ReadonlySet<Upstream>,
) => Upstream | undefined {
  let turn = 0

  return function pickUpstream(upstreams, tried) {
    if (upstreams.length === 1) return tried.has(upstreams[0]!) ? undefined : upstreams[0]
    turn = (turn + 1) % upstreams.length
    let best: Upstream | undefined
    for (let i = 0; i < upstreams.length; i++) {
      const upstream = upstreams[(turn + i) % upstreams.length]!
      if (!tried.has(upstream) && (best === undefined || isBetter(upstream, best))) best = upstream
    }
    return best
  }
}

function isBetter(one: Upstream, other: Upstream): boolean {
  if (one.isHealthy() !== other.isHealthy()) return one.isHealthy()
  return one.inFlight() < other.inFlight()
}

import type { Dispatcher } from 'undici'
import { type AgentOptions, createPool } from './agent.ts'

/** A server that we pass requests on to. */
export type Upstream = Readonly<{
  url: URL
  dispatch: (options: UpstreamRequest, handler: Dispatcher.DispatchHandler) => void
  /** Counts a request as under way, until the returned function is called. */
  begin: () => () => void
  inFlight: () => number
  isHealthy: () => boolean
  /** Says so, and returns whether that is news. */
  setHealthy: (isHealthy: boolean) => boolean
  close: () => Promise<void>
}>

export type UpstreamRequest = Pick<Dispatcher.DispatchOptions, 'method' | 'path' | 'body'> & { headers: string[] }

export type UpstreamOptions = AgentOptions & Readonly<{ maxIdle: number }>

export function createUpstream(url: URL, { maxIdle, ...agent }: UpstreamOptions): Upstream {
  const pool = createPool(url, agent)
  const basePath = url.pathname.replace(/\/+$/, '')
  let inFlight = 0
  let healthy = true

  return Object.freeze({
    url,
    dispatch({ path, ...request }, handler) {
      pool.dispatch(
        {
          ...request,
          path: basePath + path,
          // One constant name, or each new Host would be taken for another TLS server. See createPool for the real one.
          ...{ servername: url.hostname },
          // More connections than may idle end with their request.
          ...(inFlight > maxIdle && { reset: true }),
        },
        handler,
      )
    },
    begin() {
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
    close: () => pool.destroy(),
  } satisfies Upstream)
}

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

import { setTimeout as sleep } from 'node:timers/promises'
import type { Upstream } from './upstreams.ts'

/** Between two checks of one upstream, in milliseconds. */
const interval = 5_000

/**
 * Asks each upstream now and then, so that one that is down is not tried by requests, and one that is back is. Any
 * answer will do: what it says is for clients to judge. Uses new connections, because a reused one that the upstream has just
 * closed does not show whether it is reachable. Ends with the signal.
 */
export async function runHealthChecks(
  upstreams: readonly Upstream[],
  onChange: (upstream: Upstream, isHealthy: boolean) => void,
  stopped: AbortSignal,
  pause: (stopped: AbortSignal) => Promise<unknown> = pauseBetween,
): Promise<void> {
  while (!stopped.aborted) {
    await pause(stopped)
    if (stopped.aborted) return
    await Promise.all(upstreams.map(check))
  }

  async function check(upstream: Upstream): Promise<void> {
    const isHealthy = await answers(upstream)
    if (!stopped.aborted && upstream.setHealthy(isHealthy)) onChange(upstream, isHealthy)
  }
}

function pauseBetween(stopped: AbortSignal): Promise<unknown> {
  return sleep(interval, undefined, { signal: stopped, ref: false }).catch(() => {})
}

/** Whether the upstream answers a request for its root at all. */
function answers(upstream: Upstream): Promise<boolean> {
  return new Promise((resolve) => {
    upstream.dispatch(
      {
        method: 'GET',
        path: '/',
        headers: ['Host', upstream.url.host, 'User-Agent', 'elastauth'],
        onNewConnection: true,
      },
      {
        onRequestStart() {},
        onResponseStart: () => resolve(true),
        onResponseData() {},
        onResponseEnd() {},
        onResponseError: () => resolve(false),
      },
    )
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Upstream } from './upstreams.ts'

/** The time between two checks of an upstream. */
const intervalMs = 5_000

export type HealthCheckOptions = Readonly<{
  onChange: (upstream: Upstream, isHealthy: boolean) => void
  /** Ends the checks. */
  signal: AbortSignal
  /** Waits until the next check is due. */
  pause?: (signal: AbortSignal) => Promise<unknown>
}>

/**
 * Sends `GET /` to each upstream at an interval, so that clients' requests avoid an upstream that is down and return
 * when it has recovered. A response with any status counts as healthy. Each check opens a new connection, because an
 * error on a reused connection does not prove that the upstream is unreachable.
 */
export async function runHealthChecks(
  upstreams: readonly Upstream[],
  { onChange, signal, pause = waitForInterval }: HealthCheckOptions,
): Promise<void> {
  await Promise.all(upstreams.map(checkRepeatedly))

  /** Each upstream has its own loop, so that one that does not respond delays no check of another. */
  async function checkRepeatedly(upstream: Upstream): Promise<void> {
    while (!signal.aborted) {
      await pause(signal)
      if (signal.aborted) return
      const isHealthy = await responds(upstream)
      if (!signal.aborted && upstream.setHealthy(isHealthy)) onChange(upstream, isHealthy)
    }
  }
}

function waitForInterval(signal: AbortSignal): Promise<unknown> {
  return sleep(intervalMs, undefined, { signal, ref: false }).catch(() => {})
}

/**
 * Whether the upstream sends a response with any status to `GET /`, on a new connection. The connection is closed at the
 * head of the response, because the body may be endless.
 */
export function responds(upstream: Upstream): Promise<boolean> {
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
        onResponseStart(controller) {
          resolve(true)
          controller.abort(new Error('the body is not needed')) // causes `onResponseError`, which no longer has an effect
        },
        onResponseData() {},
        onResponseEnd() {},
        onResponseError: () => resolve(false),
      },
    )
  })
}

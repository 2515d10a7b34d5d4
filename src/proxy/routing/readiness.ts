import { withDeadline } from '../../async/deadline.ts'
import { shareTask } from '../../async/single-flight.ts'
import { responds } from './health.ts'
import type { Upstream } from './upstreams.ts'

/** An upstream that takes longer to respond counts as down. */
const deadlineMs = 4000

export type UpstreamChecks = Readonly<Record<string, () => Promise<'degraded' | undefined>>>

/**
 * The readiness checks of all upstreams, by name. A check rejects if the upstream is down and one of its routes has no
 * other upstream that responds; otherwise an upstream that is down is `degraded`.
 */
export function createUpstreamChecks(routes: readonly Readonly<{ upstreams: readonly Upstream[] }>[]): UpstreamChecks {
  const upstreams = [...new Set(routes.flatMap((route) => route.upstreams))]
  const probes = new Map(upstreams.map((upstream) => [upstream, shareTask(() => responds(upstream))]))
  const findDown = shareTask(async () => {
    const responding = await Promise.all(upstreams.map((upstream) => respondsInTime(probes.get(upstream)!.run())))
    return new Set(upstreams.filter((_upstream, i) => !responding[i]))
  })

  const origins = new Set(upstreams.map(({ url }) => url.origin))
  return Object.fromEntries([...origins].map((origin) => [`upstream ${origin}`, () => check(origin)]))

  async function check(origin: string): Promise<'degraded' | undefined> {
    const down = await findDown.run()
    const isDown = (upstream: Upstream) => down.has(upstream)
    const failing = upstreams.filter((upstream) => upstream.url.origin === origin && isDown(upstream))
    if (failing.length === 0) return undefined
    const affected = routes.filter((route) => failing.some((upstream) => route.upstreams.includes(upstream)))
    if (affected.some((route) => route.upstreams.every(isDown))) throw new Error('it does not respond')
    return 'degraded'
  }
}

function respondsInTime(probe: Promise<boolean>): Promise<boolean> {
  return withDeadline(probe, deadlineMs, () => new Error('too late')).catch(() => false)
}

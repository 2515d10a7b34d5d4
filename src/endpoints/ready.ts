import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/**
 * What must work before users can be let in, by name. A check rejects when its part is down, and resolves to
 * `degraded` when it is down but we work without it.
 */
export type ReadinessChecks = Readonly<Record<string, () => Promise<unknown>>>

/** Probes may come often and from many places; what they ask is asked at most this often, in milliseconds. */
const maxAge = 1000

/** `ready`: 200 when nothing is down, else 503 that names what is down. The reasons are for the log. */
export function createReadyEndpoint(
  checks: ReadinessChecks,
  monotonicNow: () => number,
  onFailure: (name: string, error: unknown) => void,
): Handler {
  let last = { at: Number.NEGATIVE_INFINITY, result: Promise.resolve<Readonly<Record<string, string>>>({}) }

  return async function answerReady() {
    if (monotonicNow() - last.at > maxAge) last = { at: monotonicNow(), result: runAll() }
    const components = await last.result
    const isReady = Object.values(components).every((state) => state !== 'down')
    return jsonResponse(isReady ? 200 : 503, { status: isReady ? 'ready' : 'unavailable', components })
  }

  async function runAll() {
    const results = Object.entries(checks).map(async ([name, check]) => {
      try {
        return [name, (await check()) === 'degraded' ? 'degraded' : 'up']
      } catch (error) {
        onFailure(name, error)
        return [name, 'down']
      }
    })
    return Object.fromEntries(await Promise.all(results))
  }
}

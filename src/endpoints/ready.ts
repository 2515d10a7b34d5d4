import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/**
 * Checks of the services that elastauth needs, by name; undefined for a service that is not configured. A check rejects
 * if the service is down, and resolves to `degraded` if it is down but elastauth works without it.
 */
export type ReadinessChecks = Readonly<Record<string, (() => Promise<unknown>) | undefined>>

/** How long a result is reused, so that the number of probes does not multiply the checks. */
const maxAgeMs = 1000

/**
 * The endpoint `ready`: 200 if no service is down, otherwise 503 with the names of the services that are down. The
 * reasons are only logged.
 */
export function createReadyEndpoint(
  checks: ReadinessChecks,
  monotonicNow: () => number,
  onFailure: (name: string, error: unknown) => void,
): Handler {
  let latest = { at: Number.NEGATIVE_INFINITY, result: Promise.resolve<Readonly<Record<string, string>>>({}) }

  return async function ready() {
    if (monotonicNow() - latest.at > maxAgeMs) latest = { at: monotonicNow(), result: runChecks(checks, onFailure) }
    const components = await latest.result
    const isReady = Object.values(components).every((state) => state !== 'down')
    return jsonResponse(isReady ? 200 : 503, { status: isReady ? 'ready' : 'unavailable', components })
  }
}

async function runChecks(checks: ReadinessChecks, onFailure: (name: string, error: unknown) => void) {
  const results = Object.entries(checks).flatMap(([name, check]) =>
    check === undefined ? [] : [runCheck(name, check, onFailure)],
  )
  return Object.fromEntries(await Promise.all(results))
}

async function runCheck(
  name: string,
  check: () => Promise<unknown>,
  onFailure: (name: string, error: unknown) => void,
): Promise<[name: string, state: string]> {
  try {
    return [name, (await check()) === 'degraded' ? 'degraded' : 'up']
  } catch (error) {
    onFailure(name, error)
    return [name, 'down']
  }
}

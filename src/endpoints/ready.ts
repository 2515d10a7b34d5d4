import { withDeadline } from '../async/deadline.ts'
import { shareTask } from '../async/single-flight.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'
import type { IsDirectRequest } from './direct-request.ts'

/**
 * Checks of what elastauth needs, by name; undefined for what is not configured. A check rejects if users cannot be
 * served, resolves to `degraded` if users do not notice the fault, and to `unknown` if another fault hides the state.
 */
export type ReadinessChecks = Readonly<Record<string, (() => Promise<unknown>) | undefined>>

export type ReadyOptions = Readonly<{
  monotonicNow: () => number
  onFailure: (name: string, error: unknown) => void
  /** Whether a request may see the state of each component. */
  isDirectRequest: IsDirectRequest
  /** A check that takes longer has failed. It is not started again until it has ended. */
  deadlineMs?: number
}>

/** How long a result is reused, so that the number of probes does not multiply the checks. */
const maxAgeMs = 1000

type State = 'up' | 'degraded' | 'unknown' | 'down'
type RunCheck = () => Promise<[name: string, state: State]>

/**
 * The endpoint `ready`: 200 if nothing is down, otherwise 503. Only direct requests see the state of each component. The
 * reasons are only logged.
 */
export function createReadyEndpoint(checks: ReadinessChecks, options: ReadyOptions): Handler {
  const { monotonicNow, isDirectRequest } = options
  const all = Object.entries(checks).flatMap(([name, check]) =>
    check === undefined ? [] : [createRunCheck(name, check, options)],
  )
  let latest = { at: Number.NEGATIVE_INFINITY, result: Promise.resolve<Readonly<Record<string, State>>>({}) }

  return async function ready({ request }) {
    if (monotonicNow() - latest.at > maxAgeMs) latest = { at: monotonicNow(), result: runChecks(all) }
    const components = await latest.result
    const isReady = Object.values(components).every((state) => state !== 'down')
    const status = isReady ? 'ready' : 'unavailable'
    const document = isDirectRequest(request) ? { status, components } : { status }
    return { ...jsonResponse(isReady ? 200 : 503, document), isProbe: true }
  }
}

async function runChecks(checks: readonly RunCheck[]) {
  return Object.fromEntries(await Promise.all(checks.map((run) => run())))
}

function createRunCheck(
  name: string,
  check: () => Promise<unknown>,
  { onFailure, deadlineMs = 5000 }: ReadyOptions,
): RunCheck {
  const { run } = shareTask(check)
  return async function runCheck() {
    try {
      const state = await withDeadline(run(), deadlineMs, () => new Error(`no result within ${deadlineMs} ms`))
      return [name, state === 'degraded' || state === 'unknown' ? state : 'up']
    } catch (error) {
      onFailure(name, error)
      return [name, 'down']
    }
  }
}

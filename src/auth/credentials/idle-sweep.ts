import { asGatewayError } from '../../http/errors.ts'
import type { DecisionInput } from './lifecycle.ts'
import { decideIdle, type LifecycleRules } from './lifecycle.ts'
import { isSamePassword } from './managed-user.ts'
import type { PreparePassword } from './password-writer.ts'
import type { SweepLease } from './sweep-lease.ts'
import type { UserPages } from './user-directory.ts'

/** Users per page, and per page if the response exceeds its limit (es/connection.ts), as users with many groups can make it. */
const [pageSize, minPageSize] = [100, 10]
const pagePauseMs = 250
/** At most 20 writes a second. */
const writePauseMs = 50
const [minIntervalMs, maxIntervalMs] = [10_000, 5 * 60_000]
/** Delay before the first pass, so that it does not compete with the startup. */
const firstPassMs = 30_000
const [firstRetryMs, maxRetryMs] = [1000, 60_000]

export type SweepEvent =
  | Readonly<{ kind: 'password_ended'; username: string }>
  /** `username` is undefined if users cannot be listed. */
  | Readonly<{ kind: 'sweep_failed'; username: string | undefined; error: unknown }>

export type IdleSweepOptions = Readonly<{
  directory: UserPages
  keys: DecisionInput['keys']
  preparePassword: PreparePassword
  rules: LifecycleRules
  lease: SweepLease
  now: () => number
  /** Resolves early when the sweep is stopped; does not keep the process alive. */
  sleep: (milliseconds: number) => Promise<void>
  /** 0 to 1: spreads the replicas' sweeps. */
  random: () => number
  report: (event: SweepEvent) => void
}>

/**
 * Ends the passwords of users who do not come back: each once, no earlier than `idleGrace` after the time at which the user's own
 * next request would have replaced it. A pass covers the users who became idle since the previous pass, so that no state per user
 * is needed. Runs until `stopped`; never rejects.
 */
export async function sweepIdleUsers(options: IdleSweepOptions, stopped: AbortSignal): Promise<void> {
  const { rules, lease, now, sleep, random } = options
  const interval = Math.min(Math.max(rules.expiration / 4, minIntervalMs), maxIntervalMs)
  const jittered = () => interval * (0.8 + 0.4 * random())
  let sweptUntil = Number.NEGATIVE_INFINITY
  for (await sleep(firstPassMs + jittered() * random()); !stopped.aborted; await sleep(jittered())) {
    const turn = await lease.begin()
    if (turn === undefined) continue // another replica is sweeping
    sweptUntil = Math.max(sweptUntil, turn.sweptUntil ?? sweptUntil)
    const until = now()
    // A clock that was ahead recorded progress in the future: sweep all users who are idle by now once more.
    if (sweptUntil > until + maxIntervalMs) sweptUntil = Number.NEGATIVE_INFINITY
    const isDone = await sweepOnce(options, { from: sweptUntil, until, renew: turn.renew }, stopped)
    if (isDone) sweptUntil = Math.max(sweptUntil, until)
    await turn.end(sweptUntil)
  }
}

type Span = Readonly<{ from: number; until: number }>

/** @returns false when it was stopped or users cannot be listed */
async function sweepOnce(
  options: IdleSweepOptions,
  { renew, ...span }: Span & Readonly<{ renew: () => Promise<void> }>,
  stopped: AbortSignal,
): Promise<boolean> {
  const { directory, sleep, report } = options
  let after: string | undefined
  let size = pageSize
  while (!stopped.aborted) {
    const users = await retry(options, undefined, stopped, async () => {
      try {
        return await directory.page(after, size)
      } catch (error) {
        size = Math.max(minPageSize, Math.floor(size / 2))
        throw error
      }
    })
    if (users === undefined) return false
    for (const stored of users) {
      if (stopped.aborted) return false
      if (decideIdle({ stored, ...span, ...options }) === undefined) continue
      const { username } = stored
      const isEnded = await retry(options, username, stopped, () => endPassword(options, username, span))
      if (isEnded) report({ kind: 'password_ended', username })
      await sleep(writePauseMs)
    }
    if (users.length < size) return true
    after = users.at(-1)!.username
    await renew()
    await sleep(pagePauseMs)
  }
  return false
}

/** Reads the user again just before the write: the page may be outdated. @returns whether a password was ended */
async function endPassword(options: IdleSweepOptions, username: string, span: Span): Promise<boolean> {
  const { directory, preparePassword } = options
  const state = decideIdle({ stored: await directory.get(username), ...span, ...options })
  if (state === undefined) return false
  const password = await preparePassword(username, state)
  const last = decideIdle({ stored: await directory.get(username), ...span, ...options })
  if (last === undefined || !isSamePassword(last, state)) return false
  return directory.setPassword(username, password)
}

/** Retries while Elasticsearch is unavailable. @returns undefined if stopped, or after any other error */
async function retry<T>(
  { sleep, report }: IdleSweepOptions,
  username: string | undefined,
  stopped: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (let failures = 0; !stopped.aborted; failures++) {
    try {
      return await work()
    } catch (error) {
      if (failures === 0) report({ kind: 'sweep_failed', username, error })
      if (asGatewayError(error).code !== 'elasticsearch_unavailable') return undefined
      await sleep(Math.min(firstRetryMs * 2 ** Math.min(failures, 10), maxRetryMs))
    }
  }
  return undefined
}

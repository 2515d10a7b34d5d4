import { LRUCache } from 'lru-cache'
import { backOffMs } from '../../async/back-off.ts'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import { limitEntries } from '../../async/lru-limit.ts'
import type { ExclusiveSingleFlight } from '../../async/single-flight.ts'
import type { Identity } from '../identity.ts'
import { createSubject, type Subject } from '../subject.ts'
import type { DenialDecision } from './lifecycle.ts'
import type { CredentialsOptions } from './options.ts'
import { createRemoveAccess, type RemoveAccessOptions } from './remove-access.ts'
import { encodeState } from './shared-entry.ts'

/** Maximum number of users in `attempts` and in `pending`. */
const maxRemembered = 10_000
const maxPending = 10_000
/** Denials use at most half of the connections to an Elasticsearch host (see es/connection.ts), so that requests need not wait. */
const maxConcurrent = 8
const retryBackOff = { firstMs: 1000, maxMs: 30_000 }

type DenialsOptions = RemoveAccessOptions &
  Pick<CredentialsOptions, 'revalidateAfterMs' | 'monotonicNow' | 'sleep' | 'backgroundSleep'> &
  Readonly<{
    /** One task per user at a time, shared with `reconcile`. */
    singleFlight: ExclusiveSingleFlight
  }>

export type Denials = Readonly<{
  /** Starts to remove the access of a user whose groups grant none. Returns immediately and never throws. */
  deny: (identity: Identity) => void
  /**
   * Cancels a pending denial, because the user has received a credential. @param wasRead false if the credential was cached in
   * this process
   */
  allow: (username: string, wasRead: boolean) => void
  /** Handles the message that another replica has written the user. */
  noteChange: (username: string, stateId: string) => void
  close: () => void
}>

type Attempt = Readonly<{
  /** Milliseconds of the monotonic clock. */
  finishedAt: number
  isDenied: boolean
  /** The id of the state that was written, or `''` if nothing was written. */
  stateId: string
}>

/** Times in milliseconds since 1970. */
type PendingDenial = {
  identity: Identity
  /** When the user was last denied, and last allowed. */
  deniedAt: number
  allowedAt: number
  /** The last state that another replica reported during the current attempt. The attempt may have read an older one. */
  changedTo?: string | undefined
}

/**
 * Removes all roles of users whose groups no longer grant access, and replaces their passwords. Runs in the background and
 * retries until it succeeds, but reads and writes each user at most once per `rules.changeIntervalMs`.
 */
export function createDenials(options: DenialsOptions): Denials {
  const { rules, revalidateAfterMs, now, monotonicNow, sleep, backgroundSleep = sleep, singleFlight, report } = options
  const removeAccess = createRemoveAccess(options)
  const limitConcurrency = createConcurrencyLimit({ maxConcurrent })
  const attempts = new LRUCache<string, Attempt>(limitEntries(maxRemembered))
  const pending = new Map<string, PendingDenial>()
  let isClosed = false

  function deny(identity: Identity): void {
    const { username } = identity
    const last = attempts.get(username)
    if (last?.isDenied && monotonicNow() < last.finishedAt + revalidateAfterMs) return
    const known = pending.get(username)
    if (known) {
      known.identity = identity
      known.deniedAt = now()
      return
    }
    if (isClosed) return
    if (pending.size >= maxPending) {
      report({ kind: 'denial_dropped', username })
      return
    }
    const denial: PendingDenial = { identity, deniedAt: now(), allowedAt: 0 }
    pending.set(username, denial)
    void carryOut(username, denial, last)
  }

  /** Retries with exponential back-off until the user has no access, or is allowed again. Never rejects. */
  async function carryOut(username: string, denial: PendingDenial, last: Attempt | undefined): Promise<void> {
    if (last) await waitFor(last.finishedAt + rules.changeIntervalMs - monotonicNow())
    let failures = 0
    while (!isClosed && denial.allowedAt <= denial.deniedAt) {
      try {
        const { identity, deniedAt } = denial
        const subject = createSubject(identity, [])
        denial.changedTo = undefined
        const outcome = await limitConcurrency(() => removeAccessOnce(subject, deniedAt))
        recordAttempt(username, denial, outcome)
        const retryAfterMs = retryDelayOf(outcome, denial, deniedAt)
        if (retryAfterMs === undefined) break
        await waitFor(retryAfterMs)
      } catch (error) {
        if (failures === 0) report({ kind: 'denial_failed', username, error })
        const delayMs = backOffMs(failures, retryBackOff)
        failures++
        await backgroundSleep(delayMs)
      }
    }
    pending.delete(username)
  }

  /** Runs while no other task of this process writes the user. */
  function removeAccessOnce(subject: Subject, deniedAt: number): Promise<DenialDecision> {
    const task = () => removeAccess(subject, deniedAt)
    return singleFlight.run({ key: subject.identity.username, topic: 'deny', task, findResult: () => undefined })
  }

  function recordAttempt(username: string, { changedTo }: PendingDenial, outcome: DenialDecision): void {
    const stateId = outcome.kind === 'write' ? encodeState(outcome.state) : ''
    const isOutdated = changedTo !== undefined && changedTo !== stateId
    const isDenied = !isOutdated && (outcome.kind === 'none' || outcome.kind === 'write')
    attempts.set(username, { finishedAt: monotonicNow(), isDenied, stateId })
  }

  /** @returns undefined if no further attempt is needed */
  function retryDelayOf(outcome: DenialDecision, denial: PendingDenial, deniedAt: number): number | undefined {
    if (outcome.kind === 'wait') return outcome.until - now()
    // A newer write supersedes the denial of this attempt, but not a denial that arrived during the attempt.
    const isDeniedAgain = outcome.kind === 'superseded' && denial.deniedAt > deniedAt
    return isDeniedAgain ? rules.changeIntervalMs : undefined
  }

  async function waitFor(milliseconds: number): Promise<void> {
    if (milliseconds > 0) await backgroundSleep(Math.min(milliseconds, 2 * rules.changeIntervalMs))
  }

  function allow(username: string, wasRead: boolean): void {
    const denial = pending.size > 0 ? pending.get(username) : undefined
    if (denial) denial.allowedAt = now()
    if (wasRead) invalidateLastAttempt(username)
  }

  function noteChange(username: string, stateId: string): void {
    const denial = pending.get(username)
    if (denial) denial.changedTo = stateId
    if (attempts.peek(username)?.stateId !== stateId) invalidateLastAttempt(username)
  }

  /**
   * Marks the user's last attempt as outdated, because the user may have access again. The time of that attempt still limits
   * the rate.
   */
  function invalidateLastAttempt(username: string): void {
    const last = attempts.peek(username)
    if (last?.isDenied) attempts.set(username, { ...last, isDenied: false })
  }

  return Object.freeze({
    deny,
    allow,
    noteChange,
    close() {
      isClosed = true
    },
  })
}

import { LRUCache } from 'lru-cache'
import { backOffMs } from '../../async/back-off.ts'
import { createConcurrencyLimit } from '../../async/concurrency-limit.ts'
import { GatewayError } from '../../http/errors.ts'
import type { Identity } from '../identity.ts'
import { createSubject, type Subject } from '../subject.ts'
import { type DenialDecision, decideDenial } from './lifecycle.ts'
import type { StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { encodeState } from './shared-entry.ts'
import { createWriteUser } from './write-user.ts'

/** Maximum number of users in `attempts` and in `pending`. */
const maxRemembered = 10_000
const maxPending = 10_000
/** Denials use at most half of the connections to an Elasticsearch host (see es/connection.ts), so that requests need not wait. */
const maxConcurrent = 8
const retryBackOff = { firstMs: 1000, maxMs: 30_000 }
/** Maximum number of decisions per attempt, for the same reason as in reconcile.ts. */
const maxSteps = 8

type DenialsOptions = RemoveAccessOptions &
  Pick<CredentialsOptions, 'revalidateAfterMs' | 'monotonicNow'> &
  Readonly<{
    /** A sleep that does not keep the process alive. */
    backgroundSleep: (milliseconds: number) => Promise<void>
    /** Runs a task while no other task of this process writes the user. */
    runExclusively: <T>(username: string, task: () => Promise<T>) => Promise<T>
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
  const { rules, revalidateAfterMs, now, monotonicNow, backgroundSleep, runExclusively, report } = options
  const removeAccess = createRemoveAccess(options)
  const limitConcurrency = createConcurrencyLimit({ maxConcurrent })
  const attempts = new LRUCache<string, Attempt>({ max: maxRemembered })
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
    for (let failures = 0; !isClosed && denial.allowedAt <= denial.deniedAt; ) {
      try {
        const { identity, deniedAt } = denial
        const subject = createSubject(identity, [])
        denial.changedTo = undefined
        const outcome = await limitConcurrency(() => runExclusively(username, () => removeAccess(subject, deniedAt)))
        recordAttempt(username, denial, outcome)
        const retryAfterMs = retryDelayOf(outcome, denial, deniedAt)
        if (retryAfterMs === undefined) break
        await waitFor(retryAfterMs)
      } catch (error) {
        if (failures === 0) report({ kind: 'denial_failed', username, error })
        await backgroundSleep(backOffMs(failures++, retryBackOff))
      }
    }
    pending.delete(username)
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

type RemoveAccessOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'preparePassword' | 'cache' | 'states' | 'rules' | 'now' | 'report'
>

/** Carries out the decision if it is a write. @returns the last decision. Rejects with GatewayError. */
type RemoveAccess = (subject: Subject, deniedAt: number) => Promise<DenialDecision>

function createRemoveAccess(options: RemoveAccessOptions): RemoveAccess {
  const { directory, keys, cache, states, rules, now } = options
  const writeUser = createWriteUser(options)

  return async function removeAccess(subject, deniedAt) {
    const { username } = subject.identity
    const decideOn = (stored: StoredUser | undefined) =>
      decideDenial({ stored, subject, deniedAt, now: now(), keys, rules })
    let force = false
    for (let step = 0; step < maxSteps; step++) {
      const shared = await states.read(username)
      const stored = await directory.get(username)
      const decision = decideOn(stored)
      if (decision.kind !== 'write') {
        if (decision.kind === 'none') cache.delete(username) // another replica may have removed the access
        return decision
      }
      cache.delete(username)
      const outcome = await writeUser({ subject, shared, stored, write: decision, decideOn, force })
      if (outcome.kind === 'written') {
        cache.delete(username)
        await outcome.unlock(outcome.state)
        return { ...decision, state: outcome.state }
      }
      force = outcome.kind === 'timed_out'
    }
    throw new GatewayError(
      'elasticsearch_unavailable',
      `the user changed during each of ${maxSteps} attempts; check what else writes this user in Elasticsearch`,
    )
  }
}

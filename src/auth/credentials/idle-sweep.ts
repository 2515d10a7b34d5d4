import { backOffMs } from '../../async/back-off.ts'
import { asGatewayError } from '../../http/errors.ts'
import { type DecisionInput, decideIdle, type LifecycleRules } from './lifecycle.ts'
import { isSamePassword } from './managed-user.ts'
import type { PreparePassword } from './password-writer.ts'
import type { Retention } from './retention/retention.ts'
import type { SweepLease } from './sweep-lease.ts'
import type { NamedUser, SweepDirectory } from './user-directory.ts'

/**
 * Users per page. Pages shrink to the minimum if a response exceeds the limit in es/connection.ts, which users with many groups
 * can cause.
 */
const [pageSize, minPageSize] = [100, 10]
const pagePauseMs = 250
/** Limits the sweep to 20 writes per second. */
const writePauseMs = 50
/** A deletion cannot be undone: if the clock is wrong, an administrator has time to notice before all users are deleted. */
const maxDeletionsPerPass = 100
/** More users whom Elasticsearch rejects are not remembered by name: the next pass covers all its users again. */
const maxFailures = 1000
const [minIntervalMs, maxIntervalMs] = [10_000, 5 * 60_000]
/** Delay before the first pass, so that the sweep does not compete with the startup. */
const firstPassMs = 30_000
const retryBackOff = { firstMs: 1000, maxMs: 60_000 }

export type SweepEvent =
  | Readonly<{ kind: 'password_ended'; username: string }>
  /** The first user of a pass whose password could not be replaced; `username` is undefined if listing the users failed. */
  | Readonly<{ kind: 'sweep_failed'; username: string | undefined; error: unknown }>
  /** The first user of a pass who could not be disabled or deleted. */
  | Readonly<{ kind: 'retention_failed'; username: string; error: unknown }>

export type IdleSweepOptions = Readonly<{
  directory: SweepDirectory
  keys: DecisionInput['keys']
  preparePassword: PreparePassword
  rules: LifecycleRules
  lease: SweepLease
  /** Applied to every listed user; undefined if it is off. */
  retention?: Retention | undefined
  now: () => number
  /** Resolves early when the sweep is stopped; does not keep the process alive. */
  sleep: (milliseconds: number) => Promise<void>
  /** Returns a number from 0 to 1. The jitter keeps replicas from sweeping at the same time. */
  random: () => number
  report: (event: SweepEvent) => void
}>

/**
 * Replaces the passwords of idle users, so that the last password of a user who never returns does not stay valid.
 * A pass covers only the users who became idle since the previous pass, and those who could not be written in it: only their
 * names are kept. What `retention` does is repeated in each pass until nothing is due. Runs until `stopped` is aborted; never
 * rejects.
 */
export async function sweepIdleUsers(options: IdleSweepOptions, stopped: AbortSignal): Promise<void> {
  const { rules, lease, now, sleep, random } = options
  const intervalMs = Math.min(Math.max(rules.expirationMs / 4, minIntervalMs), maxIntervalMs)
  const jitteredMs = () => intervalMs * (0.8 + 0.4 * random())
  let sweptUntil = Number.NEGATIVE_INFINITY
  let failed: ReadonlySet<string> = new Set()
  for (await sleep(firstPassMs + jitteredMs() * random()); !stopped.aborted; await sleep(jitteredMs())) {
    const held = await lease.acquire()
    if (held === undefined) continue // another replica is sweeping
    let sharedProgress = held.sweptUntil ?? Number.NEGATIVE_INFINITY
    sweptUntil = Math.max(sweptUntil, sharedProgress)
    const until = now()
    // Progress far in the future means that the clock of a replica was ahead. Start over with all idle users.
    if (sweptUntil > until + maxIntervalMs) sweptUntil = sharedProgress = Number.NEGATIVE_INFINITY
    const failures = await sweepOnce(options, { from: sweptUntil, failed, until, renew: held.renew, stopped })
    if (failures !== undefined) {
      // Even if the clock was set back a little: users in `failed` may not have been due in this pass.
      sweptUntil = until
      failed = failures
    }
    // Other replicas, and this one after a restart, do not know `failed`: they must not skip these users.
    await held.release(failed.size === 0 ? sweptUntil : sharedProgress)
  }
}

type Pass = Span & Readonly<{ failed: ReadonlySet<string>; renew: () => Promise<void>; stopped: AbortSignal }>
/** Selects users who became idle after `from` and up to `until`, in milliseconds since 1970. */
type Span = Readonly<{ from: number; until: number }>
type ReportFailure = (error: unknown) => void

/**
 * One pass over the users of the span and those in `failed`. @returns the names of the users who could not be written; undefined
 * if there are too many, the pass was stopped or listing the users failed
 */
async function sweepOnce(options: IdleSweepOptions, pass: Pass): Promise<ReadonlySet<string> | undefined> {
  const { renew, stopped } = pass
  const nextPage = createPageReader(options, stopped)
  const retain = options.retention && createRetain(options, options.retention, stopped)
  const { sweepUser, failures } = createSweepUser(options, pass)
  while (!stopped.aborted) {
    const page = await nextPage()
    if (page === undefined) return undefined
    for (const user of page.users) {
      if (stopped.aborted) return undefined
      if (retain !== undefined && (await retain(user))) continue
      await sweepUser(user)
    }
    if (page.isLast) return failures()
    await renew()
    await options.sleep(pagePauseMs)
  }
  return undefined
}

type Page = Readonly<{ users: readonly NamedUser[]; isLast: boolean }>

/**
 * Halves the page size after each failure, because a page may be too large. The returned function resolves to undefined if
 * listing the users failed.
 */
function createPageReader(options: IdleSweepOptions, stopped: AbortSignal): () => Promise<Page | undefined> {
  let after: string | undefined
  let size = pageSize
  async function read(): Promise<readonly NamedUser[]> {
    try {
      return await options.directory.page(after, size)
    } catch (error) {
      size = Math.max(minPageSize, Math.floor(size / 2))
      throw error
    }
  }
  return async function nextPage() {
    const reportFailure: ReportFailure = (error) => options.report({ kind: 'sweep_failed', username: undefined, error })
    const users = await retry(options, { reportFailure, stopped }, read)
    if (users === undefined) return undefined
    after = users.at(-1)?.username
    return { users, isLast: users.length < size }
  }
}

/** Reports only the first failure of a pass, because all users may fail for the same reason, and again in the next pass. */
function createReportFirst({ report }: IdleSweepOptions, kind: 'sweep_failed' | 'retention_failed') {
  let hasFailed = false
  return (username: string): ReportFailure =>
    (error) => {
      if (!hasFailed) report({ kind, username, error })
      hasFailed = true
    }
}

/** @returns a function that resolves to whether the user was disabled, enabled or deleted */
function createRetain(options: IdleSweepOptions, retention: Retention, stopped: AbortSignal) {
  const reportFirst = createReportFirst(options, 'retention_failed')
  let deletions = 0
  return async function retain(listed: NamedUser): Promise<boolean> {
    const due = retention.dueFor(listed)
    if (due === undefined || (due === 'deleted' && deletions >= maxDeletionsPerPass)) return false
    const { username } = listed
    const reportFailure = reportFirst(username)
    const action = await retry(options, { reportFailure, stopped }, () => retention.apply(username))
    if (action === 'deleted') deletions++
    await options.sleep(writePauseMs)
    return action !== undefined
  }
}

function createSweepUser(options: IdleSweepOptions, { from, until, failed, stopped }: Pass) {
  const reportFirst = createReportFirst(options, 'sweep_failed')
  const failures = new Set<string>()
  async function sweepUser(listed: NamedUser): Promise<void> {
    const { username } = listed
    const span: Span = { from: failed.has(username) ? Number.NEGATIVE_INFINITY : from, until }
    if (decideIdle({ stored: listed, ...span, ...options }) === undefined) return
    const reportFailure = reportFirst(username)
    const result = await retry(options, { reportFailure, stopped }, () => endPassword(options, username, span))
    if (result === 'ended') options.report({ kind: 'password_ended', username })
    const isDue = result === undefined || result === 'conflict'
    if (isDue && failures.size <= maxFailures) failures.add(username)
    await options.sleep(writePauseMs)
  }
  /** The names of the users who could not be written; undefined if there are too many. */
  return { sweepUser, failures: () => (failures.size <= maxFailures ? failures : undefined) }
}

type EndResult = 'ended' | 'not_due' | 'conflict'

/** Reads the user again just before the write, because the page may be outdated. */
async function endPassword(options: IdleSweepOptions, username: string, span: Span): Promise<EndResult> {
  const { directory, preparePassword } = options
  const state = decideIdle({ stored: await directory.get(username), ...span, ...options })
  if (state === undefined) return 'not_due'
  const password = await preparePassword(username, state)
  const last = decideIdle({ stored: await directory.get(username), ...span, ...options })
  if (last === undefined) return 'not_due'
  if (!isSamePassword(last, state)) return 'conflict'
  return (await directory.setPassword(username, password)) ? 'ended' : 'conflict'
}

/**
 * Retries `work` while Elasticsearch is unavailable. @returns undefined if the sweep was stopped or `work` failed for another
 * reason
 */
async function retry<T>(
  { sleep }: IdleSweepOptions,
  { reportFailure, stopped }: Readonly<{ reportFailure: ReportFailure; stopped: AbortSignal }>,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (let failures = 0; !stopped.aborted; failures++) {
    try {
      return await work()
    } catch (error) {
      if (failures === 0) reportFailure(error)
      if (asGatewayError(error).code !== 'elasticsearch_unavailable') return undefined
      await sleep(backOffMs(failures, retryBackOff))
    }
  }
  return undefined
}

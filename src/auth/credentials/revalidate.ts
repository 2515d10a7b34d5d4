import { LRUCache } from 'lru-cache'
import { limitEntries } from '../../async/lru-limit.ts'
import type { Subject } from '../subject.ts'
import type { CachedCredential } from './credential-cache.ts'
import { expiryOf, extendIfDue, isRevoked, isSameSet, type LifecycleRules } from './lifecycle.ts'
import {
  hasRetentionMark,
  isSamePassword,
  type ManagedState,
  readManagedState,
  readNotBefore,
  type StoredUser,
} from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import type { Reconciler } from './reconcile.ts'

/**
 * A user's credential is reissued at most once per interval. Otherwise a password that Elasticsearch keeps rejecting would
 * cause a write per request.
 */
const reissueIntervalMs = 10_000
/** Maximum number of users in `attempts`. */
const maxRemembered = 10_000
/**
 * Maximum number of background tasks of this file. They use at most a quarter of the connections to an Elasticsearch host (see
 * es/connection.ts), so that sign-ins need not wait for them, and they need little memory however many users return at once.
 */
const maxConcurrent = 4

type RevalidationOptions = Pick<
  CredentialsOptions,
  | 'directory'
  | 'keys'
  | 'cache'
  | 'states'
  | 'rules'
  | 'revalidateAfterMs'
  | 'now'
  | 'monotonicNow'
  | 'report'
  | 'onAccessEnded'
> &
  Readonly<{ reconciler: Pick<Reconciler, 'reconcile' | 'replaceRejected'> }>

type Attempt = Readonly<{
  /** Milliseconds of the monotonic clock. */
  startedAt: number
  /** The `Authorization` value that was rejected. */
  rejected: string
  /** The replacement for the rejected credential, or undefined if there is none. Never rejects. */
  result: Promise<CachedCredential | undefined>
}>

export type Revalidation = Readonly<{
  /**
   * If the last check of a cached credential was at least `revalidateAfterMs` ago, checks in the background that Elasticsearch
   * still accepts it, and that the user's roles and metadata are unchanged. While `maxConcurrent` tasks run, no check is started
   * and the credential stays due. Never throws.
   */
  revalidateIfDue: (subject: Subject, cached: CachedCredential) => void
  /**
   * Replaces a credential that Elasticsearch has rejected. Calls for the same user within ten seconds get the same result. The
   * returned promise never rejects, and resolves to undefined if there is no replacement.
   */
  reissue: (subject: Subject, rejected: CachedCredential) => Promise<CachedCredential | undefined>
  /** Like `reissue`, but in the background: does nothing while `maxConcurrent` tasks run. Never throws. */
  reissueInBackground: (subject: Subject, rejected: CachedCredential) => void
}>

export function createRevalidation(options: RevalidationOptions): Revalidation {
  const {
    directory,
    keys,
    cache,
    states,
    rules,
    revalidateAfterMs,
    now,
    monotonicNow,
    report,
    onAccessEnded,
    reconciler,
  } = options
  const attempts = new LRUCache<string, Attempt>(limitEntries(maxRemembered))
  let running = 0

  function revalidateIfDue(subject: Subject, cached: CachedCredential): void {
    if (running >= maxConcurrent || monotonicNow() < cached.revalidateAt) return
    cached.revalidateAt = monotonicNow() + revalidateAfterMs
    void runInBackground(revalidate(subject, cached))
  }

  function reissueInBackground(subject: Subject, rejected: CachedCredential): void {
    if (running >= maxConcurrent || recentAttempt(subject.identity.username) !== undefined) return
    void runInBackground(startAttempt(subject, rejected).result)
  }

  /** @param task never rejects */
  async function runInBackground(task: Promise<unknown>): Promise<void> {
    running++
    await task
    running--
  }

  /** Never rejects. */
  async function revalidate(subject: Subject, cached: CachedCredential): Promise<void> {
    const { username } = subject.identity
    try {
      const login = await authenticate(username, cached.state)
      if (login === undefined) await handleRejection(subject, cached)
      else if (!isUnchanged(login, subject, cached.state, rules))
        invalidate(username, cached) // written by another replica or an administrator: the next request reads the user
      else if (extendIfDue(cached.state, now(), rules)) await reconciler.reconcile(subject)
    } catch (error) {
      report({ kind: 'revalidation_failed', username, error })
    }
  }

  async function handleRejection(subject: Subject, rejected: CachedCredential): Promise<void> {
    const { username } = subject.identity
    const wasReissued = (await recentAttempt(username)?.result) !== undefined
    if (wasReissued) invalidate(username, rejected)
    else await startAttempt(subject, rejected).result
  }

  async function reissue(subject: Subject, rejected: CachedCredential): Promise<CachedCredential | undefined> {
    const attempt = recentAttempt(subject.identity.username) ?? startAttempt(subject, rejected)
    const reissued = await attempt.result
    // A user that was deleted and recreated gets the same password again, so the reissued credential may equal the rejected
    // one. A credential that was rejected only after the reissue is no replacement.
    const isUsable = reissued?.authorization !== rejected.authorization || attempt.rejected === rejected.authorization
    return isUsable && !isRevoked(subject, reissued?.notBefore) ? reissued : undefined
  }

  /** The last attempt for this user, if it started less than `reissueIntervalMs` ago. */
  function recentAttempt(username: string): Attempt | undefined {
    const attempt = attempts.get(username)
    return attempt && monotonicNow() < attempt.startedAt + reissueIntervalMs ? attempt : undefined
  }

  function startAttempt(subject: Subject, rejected: CachedCredential): Attempt {
    const { username } = subject.identity
    const result = replaceIfRejected(subject, rejected).catch((error: unknown) => {
      report({ kind: 'revalidation_failed', username, error })
      return undefined
    })
    const attempt = { startedAt: monotonicNow(), rejected: rejected.authorization, result }
    attempts.set(username, attempt)
    return attempt
  }

  async function replaceIfRejected(
    subject: Subject,
    rejected: CachedCredential,
  ): Promise<CachedCredential | undefined> {
    const { username } = subject.identity
    // A node rejects every login while its security index is unavailable. This read then fails as well, so a valid password is
    // not replaced.
    const stored = await directory.get(username)
    if (stored && (isDisabledByOthers(stored) || isRevoked(subject, readNotBefore(stored.metadata)))) {
      invalidate(username, rejected) // the next request reads the user and is rejected
      onAccessEnded?.(username)
      return undefined
    }
    if ((await authenticate(username, rejected.state)) !== undefined) return undefined
    return reconciler.replaceRejected(subject, rejected.state)
  }

  /** False if `user_retention` has disabled the user at the moment of a sign-in: then a new credential enables the user. */
  function isDisabledByOthers(stored: StoredUser): boolean {
    const state = readManagedState(stored.metadata)
    const isOurs = state !== undefined && keys.knows(state.key_id) && hasRetentionMark(stored, state)
    return !stored.enabled && !isOurs
  }

  function authenticate(username: string, state: ManagedState) {
    return directory.authenticate(username, keys.password(state.key_id, username, state.created, state.version))
  }

  function invalidate(username: string, cached: CachedCredential): void {
    if (cache.get(username) === cached) cache.delete(username)
    states.taint(username, cached.state)
  }

  return Object.freeze({ revalidateIfDue, reissue, reissueInBackground })
}

/** Whether the user in Elasticsearch still matches the cached state. */
function isUnchanged(
  login: Pick<StoredUser, 'roles' | 'metadata'>,
  { roles }: Subject,
  state: ManagedState,
  rules: LifecycleRules,
): boolean {
  const stored = readManagedState(login.metadata)
  if (!stored || !isSamePassword(stored, state) || stored.not_before !== state.not_before) return false
  // Two replicas may have issued this password at slightly different times. Other replicas use the stored expiry, so an earlier
  // one counts as a change.
  if (expiryOf(stored, rules) < expiryOf(state, rules)) return false
  return stored.fingerprint === state.fingerprint && isSameSet(login.roles, roles)
}

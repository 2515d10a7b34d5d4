import { LRUCache } from 'lru-cache'
import type { Subject } from '../subject.ts'
import type { CachedCredential } from './credential-cache.ts'
import { expiryOf, extendIfDue, isSameSet, type LifecycleRules } from './lifecycle.ts'
import { isSamePassword, type ManagedState, readManagedState, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'

/** A user's credential is reissued at most once in this time: a password that is rejected again must not cause a write per request. */
const reissueIntervalMs = 10_000
/** Maximum number of users whose last attempt is remembered. */
const maxRemembered = 10_000

type RevalidationOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'cache' | 'states' | 'rules' | 'now' | 'monotonicNow' | 'report'
> &
  Readonly<{ reconcile: (subject: Subject, rejected?: ManagedState) => Promise<CachedCredential> }>

type Attempt = Readonly<{
  /** Milliseconds of the monotonic clock. */
  startedAt: number
  /** The `Authorization` value that was rejected. */
  rejected: string
  /** Its replacement, or undefined if there is none. Never rejects. */
  result: Promise<CachedCredential | undefined>
}>

export type Revalidation = Readonly<{
  /**
   * Checks in the background that Elasticsearch still accepts a cached credential, and detects changes made there: a new
   * password, a deleted or disabled user, other roles. The returned promise never rejects.
   */
  revalidate: (subject: Subject, cached: CachedCredential) => Promise<void>
  /**
   * Replaces a credential that Elasticsearch has rejected. Calls for the same user within ten seconds get the same result. The
   * returned promise never rejects, and resolves to undefined if there is no replacement.
   */
  reissue: (subject: Subject, rejected: CachedCredential) => Promise<CachedCredential | undefined>
}>

export function createRevalidation(options: RevalidationOptions): Revalidation {
  const { directory, keys, cache, states, rules, now, monotonicNow, report, reconcile } = options
  const attempts = new LRUCache<string, Attempt>({ max: maxRemembered })

  async function revalidate(subject: Subject, cached: CachedCredential): Promise<void> {
    const { username } = subject.identity
    try {
      const login = await authenticate(username, cached.state)
      if (login === undefined) await handleRejection(subject, cached)
      else if (!isUnchanged(login, subject, cached.state, rules))
        invalidate(username, cached) // written by another replica or an administrator: the next request reads the user
      else if (extendIfDue(cached.state, now(), rules)) await reconcile(subject)
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
    // A recreated user has the same password as before. But a credential that is rejected after it was reissued is no replacement.
    const isUsable = reissued?.authorization !== rejected.authorization || attempt.rejected === rejected.authorization
    return isUsable ? reissued : undefined
  }

  /** The last attempt for this user, while no other may be started. */
  function recentAttempt(username: string): Attempt | undefined {
    const attempt = attempts.get(username)
    return attempt && monotonicNow() < attempt.startedAt + reissueIntervalMs ? attempt : undefined
  }

  function startAttempt(subject: Subject, rejected: CachedCredential): Attempt {
    const { username } = subject.identity
    const result = replace(subject, rejected).catch((error: unknown) => {
      report({ kind: 'revalidation_failed', username, error })
      return undefined
    })
    const attempt = { startedAt: monotonicNow(), rejected: rejected.authorization, result }
    attempts.set(username, attempt)
    return attempt
  }

  async function replace(subject: Subject, rejected: CachedCredential): Promise<CachedCredential | undefined> {
    const { username } = subject.identity
    // A node whose security index is not available rejects every login. This read fails then, and the user is left alone.
    const stored = await directory.get(username)
    if (stored?.enabled === false) {
      invalidate(username, rejected) // the next request reads the user and is rejected
      return undefined
    }
    if ((await authenticate(username, rejected.state)) !== undefined) return undefined
    return reconcile(subject, rejected.state)
  }

  function authenticate(username: string, state: ManagedState) {
    return directory.authenticate(username, keys.password(state.key_id, username, state.created, state.version))
  }

  function invalidate(username: string, cached: CachedCredential): void {
    if (cache.get(username) === cached) cache.delete(username)
    states.taint(username, cached.state)
  }

  return Object.freeze({ revalidate, reissue })
}

/** Whether the user in Elasticsearch is the one that was cached. */
function isUnchanged(
  login: Pick<StoredUser, 'roles' | 'metadata'>,
  { roles }: Subject,
  state: ManagedState,
  rules: LifecycleRules,
): boolean {
  const stored = readManagedState(login.metadata)
  if (!stored || !isSamePassword(stored, state)) return false
  // If two replicas issued this password at the same time, the other replicas use the stored expiry.
  if (expiryOf(stored, rules) < expiryOf(state, rules)) return false
  return stored.fingerprint === state.fingerprint && isSameSet(login.roles, roles)
}

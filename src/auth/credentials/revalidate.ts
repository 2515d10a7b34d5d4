import { LRUCache } from 'lru-cache'
import type { Subject } from '../subject.ts'
import type { CachedCredential } from './credential-cache.ts'
import { endOf, extend, isSameSet } from './lifecycle.ts'
import { isSamePassword, type ManagedState, readManagedState, type StoredUser } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'

/** A user is healed at most once in this time, in milliseconds: what healing does not fix must not become a storm. */
const healInterval = 10_000

type RecheckOptions = Pick<
  CredentialsOptions,
  'directory' | 'keys' | 'cache' | 'states' | 'rules' | 'now' | 'monotonicNow' | 'report'
> &
  Readonly<{ resettle: (subject: Subject, refused?: ManagedState) => Promise<CachedCredential> }>

type Attempt = Readonly<{
  at: number
  /** The whole `Authorization` that was refused then. */
  refused: string
  /** What took its place, or undefined where nothing did. Never rejects. */
  result: Promise<CachedCredential | undefined>
}>

export type Revalidation = Readonly<{
  /**
   * Asks Elasticsearch, in the background, whether a cached credential is still good, and hints what somebody changed
   * there: a new password, a deleted or disabled user, other roles. The returned promise never rejects.
   */
  recheck: (subject: Subject, cached: CachedCredential) => Promise<void>
  /**
   * Mends a credential that was refused, and returns the one to use in its place, if there is one. Whoever asks about a
   * user within ten seconds gets the same result. The returned promise never rejects.
   */
  heal: (subject: Subject, refused: CachedCredential) => Promise<CachedCredential | undefined>
}>

export function createRevalidation({
  directory,
  keys,
  cache,
  states,
  rules,
  now,
  monotonicNow,
  report,
  resettle,
}: RecheckOptions): Revalidation {
  const attempts = new LRUCache<string, Attempt>({ max: 10_000 })

  async function recheck(subject: Subject, cached: CachedCredential): Promise<void> {
    const { username } = subject.identity
    try {
      const login = await authenticate(username, cached.state)
      if (login === undefined) {
        const isMended = (await attemptOf(username)?.result) !== undefined
        if (isMended)
          forget(username, cached) // a moment ago, and it is refused again
        else await begin(subject, cached).result
      } else if (!isAsCached(login, subject, cached.state)) {
        forget(username, cached) // another replica or an administrator was here: the next request reads what is new
      } else if (extend(cached.state, now(), rules)) await resettle(subject)
    } catch (error) {
      report({ kind: 'recheck_failed', username, error })
    }
  }

  async function heal(subject: Subject, refused: CachedCredential): Promise<CachedCredential | undefined> {
    const { username } = subject.identity
    const attempt = attemptOf(username) ?? begin(subject, refused)
    const mended = await attempt.result
    // A user that was made again has the password it had. But what was refused after it was mended is not mended.
    const isNews = mended?.authorization !== refused.authorization || attempt.refused === refused.authorization
    return isNews ? mended : undefined
  }

  /** The last attempt to fix this user, while there is to be no other. */
  function attemptOf(username: string): Attempt | undefined {
    const attempt = attempts.get(username)
    return attempt && monotonicNow() < attempt.at + healInterval ? attempt : undefined
  }

  function begin(subject: Subject, refused: CachedCredential): Attempt {
    const { username } = subject.identity
    const result = fix(subject, refused).catch((error: unknown) => {
      report({ kind: 'recheck_failed', username, error })
      return undefined
    })
    const attempt = { at: monotonicNow(), refused: refused.authorization, result }
    attempts.set(username, attempt)
    return attempt
  }

  async function fix(subject: Subject, refused: CachedCredential): Promise<CachedCredential | undefined> {
    const { username } = subject.identity
    // A node whose security index is not up refuses everybody. Then this read fails, and nothing is the user's fault.
    const stored = await directory.get(username)
    if (stored?.enabled === false) {
      forget(username, refused) // the password is fine: the next request reads the user and is rejected
      return undefined
    }
    if ((await authenticate(username, refused.state)) !== undefined) return undefined
    return resettle(subject, refused.state)
  }

  function authenticate(username: string, state: ManagedState) {
    return directory.authenticate(username, keys.password(state.key_id, username, state.created, state.version))
  }

  function isAsCached(login: Pick<StoredUser, 'roles' | 'metadata'>, { roles }: Subject, state: ManagedState): boolean {
    const stored = readManagedState(login.metadata)
    if (!stored || !isSamePassword(stored, state)) return false
    // Two replicas made this password at the same time: the others go by the end that is stored.
    if (endOf(stored, rules) < endOf(state, rules)) return false
    return stored.fingerprint === state.fingerprint && isSameSet(login.roles, roles)
  }

  function forget(username: string, cached: CachedCredential): void {
    if (cache.get(username) === cached) cache.delete(username)
    states.taint(username, cached.state)
  }

  return Object.freeze({ recheck, heal })
}

import { LRUCache } from 'lru-cache'
import { limitEntries } from '../../async/lru-limit.ts'
import type { ExclusiveSingleFlight } from '../../async/single-flight.ts'
import { withUsername } from '../../http/errors.ts'
import type { Subject } from '../subject.ts'
import { type CachedCredential, findValid } from './credential-cache.ts'
import type { Denials } from './denials.ts'
import type { ManagedState } from './managed-user.ts'
import type { CredentialsOptions } from './options.ts'
import { createReconcileStep, type Reconciled } from './reconcile-step.ts'
import { encodeState } from './shared-entry.ts'
import { maxSteps, userKeepsChanging } from './write-user.ts'

export type ReconcilerOptions = CredentialsOptions &
  Readonly<{
    /** One task per user at a time, shared with denials. */
    singleFlight: ExclusiveSingleFlight
    denials: Pick<Denials, 'allow'>
  }>

export type Reconciler = Readonly<{
  /**
   * Makes the user in Elasticsearch match the subject, and caches the credential. Concurrent calls share the result. Rejects
   * with GatewayError.
   */
  reconcile: (subject: Subject) => Promise<CachedCredential>
  /**
   * Like `reconcile`, but for a user whose password Elasticsearch has rejected: never resolves to the cached credential, nor
   * shares the result of `reconcile`, which may adopt the rejected password.
   */
  replaceRejected: (subject: Subject, rejected: ManagedState) => Promise<CachedCredential>
  /** Handles the message that another replica has written the user. */
  noteChange: (username: string, stateId: string) => void
}>

/**
 * From this step on, the lock is taken even if another replica holds it. This is a last resort, because replicas with different
 * current keys would overwrite each other's passwords.
 */
const forceFromStep = 6

/** Maximum number of users in `lastOwned`; the least recently used is evicted first. */
const maxOwned = 10_000

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { keys, cache, rules, revalidateAfterMs, now, monotonicNow, singleFlight, denials } = options
  const takeStep = createReconcileStep(options)
  /** For each user that is being reconciled: the last change that another replica has reported since this process read the user. */
  const reportedChanges = new Map<string, { stateId?: string }>()
  /** When this process last read or wrote each user under a known key, by the monotonic clock. See `lastOwnedAt` in `DecisionInput`. */
  const lastOwned = new LRUCache<string, number>(limitEntries(maxOwned))

  function reconcile(subject: Subject): Promise<CachedCredential> {
    return singleFlight.run({
      key: subject.identity.username,
      topic: topicOf(subject),
      task: () => reconcileAndCache(subject),
      findResult: () => findValid(cache, subject, now(), rules),
    })
  }

  function replaceRejected(subject: Subject, rejected: ManagedState): Promise<CachedCredential> {
    return singleFlight.run({
      key: subject.identity.username,
      topic: `reissue ${topicOf(subject)}`,
      task: () => reconcileAndCache(subject, rejected),
      findResult: () => undefined,
    })
  }

  async function reconcileAndCache(subject: Subject, rejected?: ManagedState): Promise<CachedCredential> {
    const { username } = subject.identity
    try {
      const { state, unlock } = await reconcileUser(subject, rejected)
      lastOwned.set(username, monotonicNow())
      denials.allow(username, true)
      const credential = cacheCredential(subject, state)
      await unlock?.(state)
      return credential
    } catch (error) {
      throw withUsername(error, username)
    } finally {
      reportedChanges.delete(username)
    }
  }

  /** Carries out decisions until the user in Elasticsearch matches the subject. */
  async function reconcileUser(subject: Subject, rejected: ManagedState | undefined): Promise<Reconciled> {
    const { username } = subject.identity
    const lastOwnedAt = wallClockTime(lastOwned.peek(username))
    let hasTimedOut = false
    for (let step = 0; step < maxSteps; step++) {
      reportedChanges.set(username, {}) // changes that are reported from now on may be newer than what this step reads
      const force = hasTimedOut || step >= forceFromStep
      const result = await takeStep({ subject, rejected, lastOwnedAt, force })
      if (typeof result === 'object') return result
      if (result !== 'waited') hasTimedOut = result === 'timed_out'
    }
    throw userKeepsChanging()
  }

  function wallClockTime(monotonicTime: number | undefined): number | undefined {
    return monotonicTime === undefined ? undefined : now() - (monotonicNow() - monotonicTime)
  }

  function cacheCredential({ identity: { username }, access }: Subject, state: ManagedState): CachedCredential {
    const password = keys.password(state.key_id, username, state.created, state.version)
    const authorization = basicAuthorization(username, password)
    const notBefore = state.not_before ?? 0
    const credential = { state, access, authorization, notBefore, revalidateAt: monotonicNow() + revalidateAfterMs }
    // If another replica has reported another state since the read, the credential is used but not cached, so the next request
    // reads the user again.
    const changedTo = reportedChanges.get(username)?.stateId
    if (changedTo === undefined || changedTo === encodeState(state)) cache.set(username, credential)
    return credential
  }

  function noteChange(username: string, stateId: string): void {
    const reported = reportedChanges.get(username)
    if (reported) reported.stateId = stateId
    const cached = cache.get(username)
    if (cached && encodeState(cached.state) !== stateId) cache.delete(username)
  }

  return Object.freeze({ reconcile, replaceRejected, noteChange })
}

/** Only requests with the same access and sign-in share a result: a revocation may reject one of two sessions of a user. */
function topicOf({ access, authenticatedAt }: Subject): string {
  return `${access} ${authenticatedAt}`
}

/** Basic authentication (RFC 7617). The copy through a buffer is a flat string; a concatenated one would keep its parts in memory. */
function basicAuthorization(username: string, password: string): string {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return Buffer.from(`Basic ${encoded}`, 'latin1').toString('latin1')
}

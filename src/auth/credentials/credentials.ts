import { LRUCache } from 'lru-cache'
import { createExclusiveSingleFlight } from '../../async/single-flight.ts'
import { withUsername } from '../../http/errors.ts'
import type { Identity } from '../identity.ts'
import type { Subject } from '../subject.ts'
import type { CachedCredential } from './credential-cache.ts'
import { createDenials } from './denials.ts'
import { expiryOf } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import type { CredentialEvent, CredentialsOptions } from './options.ts'
import { createReconcile } from './reconcile.ts'
import { createRevalidation } from './revalidate.ts'
import { encodeState } from './shared-entry.ts'

export type Credential = Readonly<{ authorization: string }>

export type Credentials = Readonly<{
  /** Returns the user's credential if it is cached, and a promise otherwise. Throws, or rejects with, GatewayError. */
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** Handles the message that another replica has written the user: removes the cached credential unless it has the state `stateId`. */
  noteChange: (username: string, stateId: string) => void
  /** Schedules a check of every cached credential within a few seconds, because messages of other replicas may have been lost. */
  revalidateAll: () => void
  /** Replaces a credential that Elasticsearch has rejected. Resolves to undefined if there is no replacement. Never rejects. */
  reissue: (subject: Subject, rejected: Credential) => Promise<Credential | undefined>
  /** Removes, in the background, the roles of a user whose groups grant no access. Never throws. */
  deny: (identity: Identity) => void
  /** Stops background work from starting. */
  close: () => void
}>

/** Maximum number of users in `lastOwned`; the least recently used is evicted first. */
const maxOwned = 10_000

/** `revalidateAll` spreads its checks over this time, to avoid a burst of requests to Elasticsearch. */
const revalidationSpreadMs = 5000

const cacheHit: CredentialEvent = { kind: 'cache', result: 'hit' }
const cacheMiss: CredentialEvent = { kind: 'cache', result: 'miss' }

export function createCredentials(options: CredentialsOptions): Credentials {
  const { keys, cache, rules, now, monotonicNow, report } = options
  const singleFlight = createExclusiveSingleFlight<unknown>()
  /** For each user that is being reconciled: the last change that another replica has reported since this process read the user. */
  const reportedChanges = new Map<string, { stateId?: string }>()
  /** When this process last read or wrote each user under a known key, by the monotonic clock. See `lastOwnedAt` in `DecisionInput`. */
  const lastOwned = new LRUCache<string, number>({ max: maxOwned })
  const reconcile = createReconcile(options)
  const { revalidate, reissue: reissueCached } = createRevalidation({ ...options, reconcile: reconcileOnce })
  const denials = createDenials({
    ...options,
    backgroundSleep: options.backgroundSleep ?? options.sleep,
    runExclusively: (username, task) => runOnce({ key: username, topic: 'deny', task, findResult: () => undefined }),
  })
  // Checks also extend passwords, in the second half of their lifetime. One check per quarter is often enough.
  const revalidateAfterMs = rules.extend
    ? Math.min(options.revalidateAfterMs, rules.expirationMs / 4)
    : options.revalidateAfterMs

  function obtain(subject: Subject): Credential | Promise<Credential> {
    const cached = findCached(subject)
    report(cached ? cacheHit : cacheMiss)
    if (cached === undefined) return reconcileOnce(subject)
    denials.allow(subject.identity.username, false)
    if (monotonicNow() >= cached.revalidateAt) {
      cached.revalidateAt = monotonicNow() + revalidateAfterMs
      void revalidate(subject, cached)
    }
    return cached
  }

  async function reissue(subject: Subject, rejected: Credential): Promise<Credential | undefined> {
    const cached = findCached(subject)
    if (cached !== undefined && cached.authorization !== rejected.authorization) return cached // already replaced
    return isCached(rejected) ? reissueCached(subject, rejected) : undefined
  }

  /** The cached credential, if it has not expired and was obtained for the same access. */
  function findCached({ identity, access }: Subject): CachedCredential | undefined {
    const cached = cache.get(identity.username)
    if (cached === undefined || cached.access !== access) return undefined
    return now() < expiryOf(cached.state, rules) ? cached : undefined
  }

  function reconcileOnce(subject: Subject, rejected?: ManagedState): Promise<CachedCredential> {
    const { identity, access } = subject
    const task = () => reconcileAndCache(subject, rejected)
    // A reissue must not use the cached credential, nor share the result of a normal reconcile, which may adopt the rejected
    // password.
    if (rejected)
      return runOnce({ key: identity.username, topic: `reissue ${access}`, task, findResult: () => undefined })
    return runOnce({ key: identity.username, topic: access, task, findResult: () => findCached(subject) })
  }

  /** The cast is safe because all calls with the same topic return the same type. */
  function runOnce<T>(call: Parameters<typeof singleFlight.run>[0] & { task: () => Promise<T> }): Promise<T> {
    return singleFlight.run(call) as Promise<T>
  }

  async function reconcileAndCache(subject: Subject, rejected: ManagedState | undefined): Promise<CachedCredential> {
    const { username } = subject.identity
    try {
      const lastOwnedAt = wallClockTime(lastOwned.peek(username))
      const onRead = () => reportedChanges.set(username, {})
      const { state, unlock } = await reconcile({ subject, rejected, lastOwnedAt, onRead })
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

  function wallClockTime(monotonicTime: number | undefined): number | undefined {
    return monotonicTime === undefined ? undefined : now() - (monotonicNow() - monotonicTime)
  }

  function cacheCredential({ identity: { username }, access }: Subject, state: ManagedState): CachedCredential {
    const password = keys.password(state.key_id, username, state.created, state.version)
    const authorization = basicAuthorization(username, password)
    const credential = { state, access, authorization, revalidateAt: monotonicNow() + revalidateAfterMs }
    // If another replica has reported another state since the read, the credential is used but not cached, so the next request
    // reads the user again.
    const changedTo = reportedChanges.get(username)?.stateId
    if (changedTo === undefined || changedTo === encodeState(state)) cache.set(username, credential)
    return credential
  }

  function noteChange(username: string, stateId: string): void {
    const reported = reportedChanges.get(username)
    if (reported) reported.stateId = stateId
    denials.noteChange(username, stateId)
    const cached = cache.get(username)
    if (cached && encodeState(cached.state) !== stateId) cache.delete(username)
  }

  function revalidateAll(): void {
    cache.revalidateAll(monotonicNow(), revalidationSpreadMs)
  }

  return Object.freeze({ obtain, reissue, deny: denials.deny, noteChange, revalidateAll, close: denials.close })
}

/** False only for a credential that `obtain` did not return. */
function isCached(credential: Credential): credential is CachedCredential {
  return 'state' in credential
}

/** Basic authentication (RFC 7617). The copy through a buffer is a flat string; a concatenated one would keep its parts in memory. */
function basicAuthorization(username: string, password: string): string {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return Buffer.from(`Basic ${encoded}`, 'latin1').toString('latin1')
}

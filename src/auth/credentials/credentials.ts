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
  /** The user's credential: a value if it is cached, otherwise a promise. Throws and rejects with GatewayError. */
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** Another replica has written this state of the user: removes a cached credential with a different state. */
  noteChange: (username: string, stateId: string) => void
  /** Changes may have been missed: the next request of each cached user checks the credential, spread over some seconds. */
  revalidateAll: () => void
  /** Replaces a credential that Elasticsearch has rejected. Resolves to undefined if that is not possible. Never rejects. */
  reissue: (subject: Subject, rejected: Credential) => Promise<Credential | undefined>
  /** Removes the roles of a user whose groups grant no access, in the background. Never throws. */
  deny: (identity: Identity) => void
  /** Starts no further background work. */
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
  /** For users that are being reconciled: the last change that another replica has reported since the read. */
  const reportedChanges = new Map<string, { stateId?: string }>()
  /** When a user was last read or written under one of our keys, by the monotonic clock: see `DecisionInput`. */
  const lastOwned = new LRUCache<string, number>({ max: maxOwned })
  const reconcile = createReconcile(options)
  const { revalidate, reissue: reissueCached } = createRevalidation({ ...options, reconcile: reconcileOnce })
  const denials = createDenials({
    ...options,
    backgroundSleep: options.backgroundSleep ?? options.sleep,
    runExclusively: (username, task) => runOnce({ key: username, topic: 'deny', task, findResult: () => undefined }),
  })
  // Extending an active user in time requires a check at least this often.
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
    if (cached !== undefined && cached.authorization !== rejected.authorization) return cached // replaced in the meantime
    return isCached(rejected) ? reissueCached(subject, rejected) : undefined
  }

  /** The cached credential, if it may still be handed out to this subject. */
  function findCached({ identity, access }: Subject): CachedCredential | undefined {
    const cached = cache.get(identity.username)
    if (cached === undefined || cached.access !== access) return undefined
    return now() < expiryOf(cached.state, rules) ? cached : undefined
  }

  function reconcileOnce(subject: Subject, rejected?: ManagedState): Promise<CachedCredential> {
    const { identity, access } = subject
    const task = () => reconcileAndCache(subject, rejected)
    // Replacing a rejected password must not share the result of a task that may adopt it, nor use the cached credential.
    if (rejected)
      return runOnce({ key: identity.username, topic: `reissue ${access}`, task, findResult: () => undefined })
    return runOnce({ key: identity.username, topic: access, task, findResult: () => findCached(subject) })
  }

  /** The cast is safe: all calls with one topic return the same type. */
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
    // A change that was reported since the read may be newer: this request uses the credential, the next one reads again.
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

/** RFC 7617. The copy through a buffer makes the cache hold one flat string instead of the strings it was concatenated from. */
function basicAuthorization(username: string, password: string): string {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return Buffer.from(`Basic ${encoded}`, 'latin1').toString('latin1')
}

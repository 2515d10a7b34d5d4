import { LRUCache } from 'lru-cache'
import { withUsername } from '../../http/errors.ts'
import type { Identity } from '../identity.ts'
import type { Subject } from '../subject.ts'
import type { CachedCredential } from './credential-cache.ts'
import { createDenials } from './denials.ts'
import { endOf } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import type { CredentialEvent, CredentialsOptions } from './options.ts'
import { createReconcile } from './reconcile.ts'
import { createRevalidation } from './revalidate.ts'
import { encodeState } from './shared-entry.ts'
import { createSingleFlight } from './single-flight.ts'

export type Credential = Readonly<{ authorization: string }>

export type Credentials = Readonly<{
  /** The credential of a user: at once from the cache, else as a promise. Throws and rejects with GatewayError. */
  obtain: (subject: Subject) => Credential | Promise<Credential>
  /** Another replica has shared a state of this user: one that is known here and is not that one is forgotten. */
  noteChange: (username: string, stateId: string) => void
  /** Changes may have gone unheard: whoever is cached is checked at the next request, spread over a while. */
  recheckAll: () => void
  /** A credential in place of one that Elasticsearch refused, or undefined where there is none. Never rejects. */
  reissue: (subject: Subject, refused: Credential) => Promise<Credential | undefined>
  /** Removes the roles of a user whose groups grant no access, in the background. Never throws. */
  deny: (identity: Identity) => void
  /** Starts no more background work. */
  close: () => void
}>

/** Maximum of users remembered as held under our key; the least recently used is evicted first. */
const maxHeld = 10_000

/** `recheckAll` spreads its checks over this time, in milliseconds, so that they are no storm. */
const recheckSpread = 5000

const cacheHit: CredentialEvent = { kind: 'cache', result: 'hit' }
const cacheMiss: CredentialEvent = { kind: 'cache', result: 'miss' }

export function createCredentials(options: CredentialsOptions): Credentials {
  const { keys, cache, rules, now, monotonicNow, report } = options
  const flights = createSingleFlight<unknown>()
  /** What was heard of a user while its flight is under way. */
  const news = new Map<string, { stateId?: string }>()
  /** When a user was last found or written under a key of ours, by the monotonic clock: see `decide`. */
  const held = new LRUCache<string, number>({ max: maxHeld })
  const settle = createReconcile(options)
  const { recheck, heal: reissueCached } = createRevalidation({ ...options, resettle: fly })
  const denials = createDenials({
    ...options,
    pause: options.pause ?? options.sleep,
    alone: (username, task) => join(username, 'deny', task, () => undefined),
  })
  // An active user's end can only be pushed on in time when somebody looks often enough.
  const recheckEvery = rules.extend ? Math.min(options.revalidate, rules.expiration / 4) : options.revalidate

  function obtain(subject: Subject): Credential | Promise<Credential> {
    const cached = recall(subject)
    report(cached ? cacheHit : cacheMiss)
    if (cached === undefined) return fly(subject)
    denials.allow(subject.identity.username, false)
    if (monotonicNow() >= cached.recheckAt) {
      cached.recheckAt = monotonicNow() + recheckEvery
      void recheck(subject, cached)
    }
    return cached
  }

  async function reissue(subject: Subject, refused: Credential): Promise<Credential | undefined> {
    const known = recall(subject)
    if (known !== undefined && known.authorization !== refused.authorization) return known // somebody was quicker
    return isCached(refused) ? reissueCached(subject, refused) : undefined
  }

  /** The cached credential, if it may still be handed out to this subject. */
  function recall({ identity, access }: Subject): CachedCredential | undefined {
    const cached = cache.get(identity.username)
    if (cached === undefined || cached.access !== access) return undefined
    return now() < endOf(cached.state, rules) ? cached : undefined
  }

  function fly(subject: Subject, refused?: ManagedState): Promise<CachedCredential> {
    const { identity, access } = subject
    const task = () => settleAndRemember(subject, refused)
    // To heal is not what other flights do, nor is it done because the cache holds what is to be healed.
    if (refused) return join(identity.username, `heal ${access}`, task, () => undefined)
    return join(identity.username, access, task, () => recall(subject))
  }

  /** Callers with the same topic expect the same kind of result. */
  function join<T>(username: string, topic: string, task: () => Promise<T>, recall: () => T | undefined): Promise<T> {
    return flights.join(username, topic, task, recall) as Promise<T>
  }

  async function settleAndRemember(subject: Subject, refused: ManagedState | undefined): Promise<CachedCredential> {
    const { username } = subject.identity
    try {
      const heldSince = held.peek(username)
      const heldAt = heldSince === undefined ? undefined : now() - (monotonicNow() - heldSince)
      const { state, endTurn } = await settle({ subject, refused, heldAt, onRead: () => news.set(username, {}) })
      held.set(username, monotonicNow())
      denials.allow(username, true)
      const credential = remember(subject, state)
      await endTurn?.(state)
      return credential
    } catch (error) {
      throw withUsername(error, username)
    } finally {
      news.delete(username)
    }
  }

  function remember({ identity: { username }, access }: Subject, state: ManagedState): CachedCredential {
    const password = keys.password(state.key_id, username, state.created, state.version)
    const authorization = basicAuthorization(username, password)
    const credential = { state, access, authorization, recheckAt: monotonicNow() + recheckEvery }
    // What was heard in the meantime may be newer than what we read. Then this request is answered, and the next reads.
    const heard = news.get(username)?.stateId
    if (heard === undefined || heard === encodeState(state)) cache.set(username, credential)
    return credential
  }

  function noteChange(username: string, stateId: string): void {
    const pending = news.get(username)
    if (pending) pending.stateId = stateId
    denials.noteChange(username, stateId)
    const cached = cache.get(username)
    if (cached && encodeState(cached.state) !== stateId) cache.delete(username)
  }

  function recheckAll(): void {
    cache.recheckAll(monotonicNow(), recheckSpread)
  }

  return Object.freeze({ obtain, reissue, deny: denials.deny, noteChange, recheckAll, close: denials.close })
}

/** Every credential that `obtain` gives is one. */
function isCached(credential: Credential): credential is CachedCredential {
  return 'state' in credential
}

/** RFC 7617. Through a buffer, so that the cache holds one flat string and not the parts it was joined from. */
function basicAuthorization(username: string, password: string): string {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return Buffer.from(`Basic ${encoded}`, 'latin1').toString('latin1')
}

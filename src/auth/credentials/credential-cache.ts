import { LRUCache } from 'lru-cache'
import { limitEntries } from '../../async/lru-limit.ts'
import type { Subject } from '../subject.ts'
import { expiryOf, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'

/** A user's cached Elasticsearch credential. */
export type CachedCredential = {
  readonly state: ManagedState
  /** `Subject.access` of the request that obtained the credential. Only requests with the same access may use it. */
  readonly access: string
  /** The complete value of the `Authorization` header. */
  readonly authorization: string
  /** `ManagedState.not_before`, or 0: requests of users who signed in earlier may not use the credential. */
  readonly notBefore: number
  /**
   * From this time on (milliseconds, monotonic clock), the next request checks in the background that Elasticsearch still
   * accepts the credential.
   */
  revalidateAt: number
}

/** Caches credentials by username in this process. */
export type CredentialCache = Readonly<{
  get: (username: string) => CachedCredential | undefined
  set: (username: string, credential: CachedCredential) => void
  delete: (username: string) => void
  size: () => number
  /** Schedules a check of every entry, spread evenly over `spreadMs` from `monotonicNow` on. */
  revalidateAll: (monotonicNow: number, spreadMs: number) => void
}>

/** Evicts the least recently used entry when there are more than `maxEntries`. A maximum of 0 disables the cache. */
export function createCredentialCache(maxEntries: number): CredentialCache {
  if (maxEntries === 0) return disabledCache
  const entries = new LRUCache<string, CachedCredential>(limitEntries(maxEntries))
  return Object.freeze({
    get: (username: string) => entries.get(username),
    set: (username: string, credential: CachedCredential) => void entries.set(username, credential),
    delete: (username: string) => void entries.delete(username),
    size: () => entries.size,
    revalidateAll(monotonicNow: number, spreadMs: number) {
      for (const [index, entry] of [...entries.values()].entries()) {
        const delayMs = Math.floor((spreadMs * index) / entries.size)
        entry.revalidateAt = Math.min(entry.revalidateAt, monotonicNow + delayMs)
      }
    },
  })
}

/** The user's cached credential, if it was obtained for the same access, has not expired, and the sign-in is not revoked. */
export function findValid(
  cache: Pick<CredentialCache, 'get'>,
  { identity, access, authenticatedAt }: Subject,
  now: number,
  rules: LifecycleRules,
): CachedCredential | undefined {
  const cached = cache.get(identity.username)
  const isUsable = cached?.access === access && authenticatedAt >= cached.notBefore
  return isUsable && now < expiryOf(cached.state, rules) ? cached : undefined
}

const disabledCache: CredentialCache = Object.freeze({
  get: () => undefined,
  set: () => {},
  delete: () => {},
  size: () => 0,
  revalidateAll: () => {},
})

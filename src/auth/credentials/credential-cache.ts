import { LRUCache } from 'lru-cache'
import type { ManagedState } from './managed-user.ts'

/** One user's credential in the form in which it is handed out. */
export type CachedCredential = {
  readonly state: ManagedState
  /** The access of the subject it was obtained for. It may be handed out to subjects with the same access only. */
  readonly access: string
  /** The complete value of the `Authorization` header. */
  readonly authorization: string
  /** When the next request checks in the background that Elasticsearch still accepts it: milliseconds, monotonic clock. */
  revalidateAt: number
}

/** Credentials by username, in this process. */
export type CredentialCache = Readonly<{
  get: (username: string) => CachedCredential | undefined
  set: (username: string, credential: CachedCredential) => void
  delete: (username: string) => void
  size: () => number
  /** Makes the next check of each entry due within `spreadMs` of `monotonicNow`, evenly distributed. */
  revalidateAll: (monotonicNow: number, spreadMs: number) => void
}>

/** Evicts the least recently used user above `maxEntries`. 0 disables the cache. */
export function createCredentialCache(maxEntries: number): CredentialCache {
  if (maxEntries === 0) return disabledCache
  const entries = new LRUCache<string, CachedCredential>({ max: maxEntries })
  return Object.freeze({
    get: (username: string) => entries.get(username),
    set: (username: string, credential: CachedCredential) => void entries.set(username, credential),
    delete: (username: string) => void entries.delete(username),
    size: () => entries.size,
    revalidateAll(monotonicNow: number, spreadMs: number) {
      let index = 0
      for (const entry of entries.values()) {
        entry.revalidateAt = Math.min(
          entry.revalidateAt,
          monotonicNow + Math.floor((spreadMs * index++) / entries.size),
        )
      }
    },
  })
}

const disabledCache: CredentialCache = Object.freeze({
  get: () => undefined,
  set: () => {},
  delete: () => {},
  size: () => 0,
  revalidateAll: () => {},
})

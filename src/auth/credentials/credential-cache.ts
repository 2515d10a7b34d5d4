import { LRUCache } from 'lru-cache'
import type { ManagedState } from './managed-user.ts'

/** One user's credential, ready to hand out. */
export type CachedCredential = {
  readonly state: ManagedState
  /** The access of the subject that it was obtained for: a subject with the same access may use it. */
  readonly access: string
  /** The whole value of the `Authorization` header. */
  readonly authorization: string
  /** When to check in the background whether Elasticsearch still accepts it, in milliseconds of the monotonic clock. */
  recheckAt: number
}

/** Credentials by username, in this process. */
export type CredentialCache = Readonly<{
  get: (username: string) => CachedCredential | undefined
  set: (username: string, credential: CachedCredential) => void
  delete: (username: string) => void
  size: () => number
  /** Makes every entry's next check due within `spread` milliseconds of `monotonicNow`, evenly spread. */
  recheckAll: (monotonicNow: number, spread: number) => void
}>

/** The least recently used user leaves when `maxEntries` are held. 0 turns the cache off. */
export function createCredentialCache(maxEntries: number): CredentialCache {
  if (maxEntries === 0) return noCache
  const entries = new LRUCache<string, CachedCredential>({ max: maxEntries })
  return Object.freeze({
    get: (username: string) => entries.get(username),
    set: (username: string, credential: CachedCredential) => void entries.set(username, credential),
    delete: (username: string) => void entries.delete(username),
    size: () => entries.size,
    recheckAll(monotonicNow: number, spread: number) {
      let index = 0
      for (const entry of entries.values()) {
        entry.recheckAt = Math.min(entry.recheckAt, monotonicNow + Math.floor((spread * index++) / entries.size))
      }
    },
  })
}

const noCache: CredentialCache = Object.freeze({
  get: () => undefined,
  set: () => {},
  delete: () => {},
  size: () => 0,
  recheckAll: () => {},
})

import { LRUCache } from 'lru-cache'
import type { Identity } from '../auth/identity.ts'

/** A session as this process knows it: its identity, and when to look it up again. Times in milliseconds. */
export type CachedSession = {
  readonly key: string
  readonly identity: Identity
  /** By the wall clock, since 1970. */
  readonly freshUntil: number
  /** By the wall clock, since 1970. */
  readonly endsAt: number
  /** When to look for changes in the store. By the monotonic clock, like those below. */
  lookAt: number
  usedAt: number
  touchedAt: number
  /** After a refresh that failed: when to try the next one. */
  retryAt: number
  /** Got from the provider, and not stored yet. */
  unsaved?: Readonly<{ claimant: string; value: string }> | undefined
}

export type SessionCache = Readonly<{
  get: (id: string) => CachedSession | undefined
  set: (id: string, known: CachedSession) => void
  drop: (id: string) => void
  idOf: (key: string) => string | undefined
  values: () => Iterable<CachedSession>
}>

/** Sessions in this process, by their ids, so that a request in one needs no store. The longest unused leave. */
export function createSessionCache(max: number): SessionCache {
  const ids = new Map<string, string>()
  const sessions = new LRUCache<string, CachedSession>({
    max,
    dispose: ({ key }, _id, reason) => {
      if (reason !== 'set') ids.delete(key)
    },
  })
  return Object.freeze({
    get: (id: string) => sessions.get(id),
    set(id: string, known: CachedSession) {
      ids.set(known.key, id)
      sessions.set(id, known)
    },
    drop: (id: string) => void sessions.delete(id),
    idOf: (key: string) => ids.get(key),
    values: () => sessions.values(),
  })
}

import { LRUCache } from 'lru-cache'
import type { Identity } from '../auth/identity.ts'
import type { PendingWrite } from './refresh.ts'

/** A cached session: the identity, and when to look up the session again. Times in milliseconds. */
export type CachedSession = {
  readonly key: string
  readonly identity: Identity
  /** By the wall clock, since 1970. */
  readonly freshUntil: number
  /** By the wall clock, since 1970. */
  readonly endsAt: number
  /** When to look for changes in the store. By the monotonic clock, as are the times below. */
  nextLookupAt: number
  usedAt: number
  touchedAt: number
  /** The earliest time of the next refresh, which a failed refresh delays. */
  nextRefreshAt: number
  /** A refreshed session that the store has not accepted yet. */
  pendingWrite?: PendingWrite | undefined
}

export type SessionCache = Readonly<{
  get: (id: string) => CachedSession | undefined
  set: (id: string, session: CachedSession) => void
  delete: (id: string) => void
  /** The id of a cached session, by the store's key. */
  idOf: (key: string) => string | undefined
  values: () => Iterable<CachedSession>
}>

/** The sessions that this process serves without asking the store. Evicts the least recently used session. */
export function createSessionCache(maxEntries: number): SessionCache {
  const ids = new Map<string, string>()
  const sessions = new LRUCache<string, CachedSession>({
    max: maxEntries,
    dispose: ({ key }, _id, reason) => {
      if (reason !== 'set') ids.delete(key)
    },
  })
  return Object.freeze({
    get: (id: string) => sessions.get(id),
    set(id: string, session: CachedSession) {
      ids.set(session.key, id)
      sessions.set(id, session)
    },
    delete: (id: string) => void sessions.delete(id),
    idOf: (key: string) => ids.get(key),
    values: () => sessions.values(),
  })
}

import { createFlush } from '../async/flush.ts'
import type { SessionCache } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/**
 * Maximum number of remembered revocations, twice: of sessions that were cached here, and of others, whose ids a client may have
 * invented. They prevent a lookup that began before a revocation from restoring the session.
 */
const maxRevoked = 10_000
/** Maximum number of sessions whose deletion the store has not confirmed yet, twice as well. */
const maxPending = 10_000

export type Revocations = Readonly<{
  isRevoked: (key: string) => boolean
  /** Revokes a session in this process only, because the store no longer has the session. */
  markRevoked: (key: string) => void
  /**
   * Revokes a session in this process and deletes it from the store. Resolves to false if the store had no such session.
   * Rejects if the store is unavailable; the deletion is then retried later.
   */
  revoke: (key: string) => Promise<boolean>
  /** Retries the pending deletions. */
  flushPending: () => void
}>

/** @param onRevoked called with the username of a session that was cached here */
export function createRevocations(
  store: SessionStore,
  cache: SessionCache,
  onRevoked: (username: string) => void,
): Revocations {
  const revoked = { cached: new Set<string>(), others: new Set<string>() }
  const pending = { cached: new Set<string>(), others: new Set<string>() }
  const flushes = Object.values(pending).map((keys) => createFlush(keys, (key) => retry(keys, key)))

  const kindOf = (key: string) => (cache.idOf(key) === undefined ? 'others' : 'cached')

  function markRevoked(key: string): void {
    const keys = revoked[kindOf(key)]
    keys.add(key)
    if (keys.size > maxRevoked) keys.delete(keys.values().next().value!) // the oldest
    const id = cache.idOf(key)
    if (id === undefined) return
    const { username } = cache.get(id)!.identity
    cache.delete(id)
    onRevoked(username)
  }

  async function revoke(keys: Set<string>, key: string): Promise<boolean> {
    markRevoked(key)
    if (keys.size < maxPending) keys.add(key)
    const existed = await store.delete(key)
    keys.delete(key)
    return existed
  }

  function retry(keys: Set<string>, key: string): Promise<boolean> {
    keys.delete(key) // `revoke` adds the key at the end, so that one that always fails does not delay the others
    return revoke(keys, key)
  }

  return Object.freeze({
    isRevoked: (key: string) => revoked.cached.has(key) || revoked.others.has(key),
    markRevoked,
    revoke: (key: string) => revoke(pending[kindOf(key)], key),
    flushPending() {
      for (const flush of flushes) void flush()
    },
  })
}

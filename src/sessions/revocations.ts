import { createFlush } from '../async/flush.ts'
import type { SessionCache } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/** Maximum number of remembered revocations. They prevent a lookup that began before a revocation from restoring the session. */
const maxRevoked = 10_000
/** Maximum number of sessions whose deletion the store has not confirmed yet. */
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
  const revoked = new Set<string>()
  const pending = new Set<string>()
  const flush = createFlush(pending, retry)

  function markRevoked(key: string): void {
    revoked.add(key)
    if (revoked.size > maxRevoked) revoked.delete(revoked.values().next().value!) // the oldest
    const id = cache.idOf(key)
    if (id === undefined) return
    const { username } = cache.get(id)!.identity
    cache.delete(id)
    onRevoked(username)
  }

  async function revoke(key: string): Promise<boolean> {
    markRevoked(key)
    if (pending.size < maxPending) pending.add(key)
    const existed = await store.delete(key)
    pending.delete(key)
    return existed
  }

  function retry(key: string): Promise<boolean> {
    pending.delete(key) // `revoke` adds the key at the end, so that one that always fails does not delay the others
    return revoke(key)
  }

  return Object.freeze({
    isRevoked: (key: string) => revoked.has(key),
    markRevoked,
    revoke,
    flushPending: () => void flush(),
  })
}

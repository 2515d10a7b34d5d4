import type { SessionCache } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/** Maximum number of revocations to remember, so that a lookup that began earlier cannot restore the session. */
const maxRevoked = 10_000
/** Maximum number of sessions whose deletion the store has not confirmed yet. */
const maxPending = 10_000

export type Revocations = Readonly<{
  isRevoked: (key: string) => boolean
  /** Revokes a session in this process only: it was deleted from the store before. */
  markRevoked: (key: string) => void
  /**
   * Revokes a session in this process at once, and in the store. False if the store had no such session. Rejects if the
   * store is unavailable; the deletion is then pending.
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

  return Object.freeze({
    isRevoked: (key: string) => revoked.has(key),
    markRevoked,
    revoke,
    flushPending() {
      for (const key of pending) revoke(key).catch(() => {})
    },
  })
}

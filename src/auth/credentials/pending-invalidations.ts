/** Maximum number of pending users; further users are dropped. */
const maxPending = 10_000
/** Maximum number of concurrent invalidations; more would delay requests that use Redis. */
const maxConcurrent = 16

/** Remembers users whose shared entry could not be invalidated because Redis was unreachable, and invalidates these entries later. */
export function createPendingInvalidations(invalidate: (username: string) => Promise<void>) {
  const pending = new Map<string, symbol>()
  let isFlushing = false

  /** Invalidates a few users at a time, until none is pending or one fails. Never rejects. */
  async function flush(): Promise<void> {
    if (isFlushing) return
    isFlushing = true
    try {
      while (pending.size > 0) await Promise.all(pending.entries().take(maxConcurrent).toArray().map(flushOne))
    } catch {
      // Redis is unreachable again. The next flush invalidates the remaining users.
    }
    isFlushing = false
  }

  async function flushOne([username, id]: readonly [string, symbol]): Promise<void> {
    pending.delete(username)
    pending.set(username, id) // moves to the end, so that a user that always fails does not delay the others
    await invalidate(username)
    if (pending.get(username) === id) pending.delete(username) // otherwise the user was added again during the call
  }

  return Object.freeze({
    /** True until the user's shared entry is invalidated. Until then the entry must not be used. */
    has: (username: string) => pending.has(username),
    add(username: string): void {
      if (pending.size < maxPending || pending.has(username)) pending.set(username, Symbol('pending invalidation'))
    },
    flush,
  })
}

/** Further users are not remembered. */
const maxPending = 10_000
/** Concurrent invalidations: more would delay the requests that use Redis at the same time. */
const maxConcurrent = 16

/** Users whose shared entry could not be invalidated because Redis was unreachable. They are invalidated once it is back. */
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
      // Redis is unreachable again: the next flush continues.
    }
    isFlushing = false
  }

  async function flushOne([username, id]: readonly [string, symbol]): Promise<void> {
    pending.delete(username)
    pending.set(username, id) // moves to the end, so that a user that always fails does not delay the others
    await invalidate(username)
    if (pending.get(username) === id) pending.delete(username) // otherwise it was added again in the meantime
  }

  return Object.freeze({
    /** True until the user is invalidated: an entry that was read before that must not be used. */
    has: (username: string) => pending.has(username),
    add(username: string): void {
      if (pending.size < maxPending || pending.has(username)) pending.set(username, Symbol('pending invalidation'))
    },
    flush,
  })
}

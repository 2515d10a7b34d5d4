import { createFlush } from '../../async/flush.ts'

/** Maximum number of pending users; further users are dropped. */
const maxPending = 10_000

/** Remembers users whose shared entry could not be invalidated because Redis was unreachable, and invalidates these entries later. */
export function createPendingInvalidations(invalidate: (username: string) => Promise<void>) {
  const pending = new Map<string, symbol>()
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
    /** Invalidates a few users at a time, until none is pending or one fails. Never rejects. */
    flush: createFlush(pending, flushOne),
  })
}

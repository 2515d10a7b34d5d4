import type { SessionCache } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/** Sessions whose end is remembered: a look at the store that began before it must not bring one back. */
const maxEnded = 10_000
/** Sessions still to be ended in the store, remembered while it is away. */
const maxOwed = 10_000

export type Revocations = Readonly<{
  hasEnded: (key: string) => boolean
  /** Notes that a session has ended, wherever that was. */
  note: (key: string) => void
  /** Ends a session here at once, and in the store: false where it held none. Rejects when the store has to be told again. */
  end: (key: string) => Promise<boolean>
  /** Tells the store what it has not heard yet. */
  payOwed: () => void
}>

/** @param onEnded called with the user of a session that was known here */
export function createRevocations(
  store: SessionStore,
  known: SessionCache,
  onEnded: (username: string) => void,
): Revocations {
  const ended = new Set<string>()
  const owed = new Set<string>()

  function note(key: string): void {
    ended.add(key)
    if (ended.size > maxEnded) ended.delete(ended.values().next().value!) // the oldest
    const id = known.idOf(key)
    if (id === undefined) return
    const { username } = known.get(id)!.identity
    known.drop(id)
    onEnded(username)
  }

  async function end(key: string): Promise<boolean> {
    note(key)
    if (owed.size < maxOwed) owed.add(key)
    const wasThere = await store.end(key)
    owed.delete(key)
    return wasThere
  }

  return Object.freeze({
    hasEnded: (key: string) => ended.has(key),
    note,
    end,
    payOwed() {
      for (const key of owed) end(key).catch(() => {})
    },
  })
}

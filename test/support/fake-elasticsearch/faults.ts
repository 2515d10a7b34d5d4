/** One request as the stand-in saw it: `path` without its query, `at` in milliseconds since 1970. */
export type Call = { method: string; path: string; username: string | undefined; at: number }

/**
 * Switches, read anew for each request. `answer`:
 * - `unauthorized`: 401 to everybody, as a fresh node does until its `.security` index is active
 * - `unavailable`, `too_many_requests`: 503, 429
 * - `hang`: the connection stays open, nothing comes · `drop`: the connection is cut before anything is done
 * - `lose_answer`: the request is carried out, then the connection is cut
 */
export type Faults = {
  answer: 'normal' | 'unauthorized' | 'unavailable' | 'too_many_requests' | 'hang' | 'drop' | 'lose_answer'
  /** Milliseconds before the request is carried out. */
  delay: number | ((call: Call) => number)
  /** PUT and POST of a user are answered 403, as if the account lacked manage_security. */
  forbidPut: boolean
  /** A `password_hash` is answered 400, whatever its algorithm. */
  rejectHash: boolean
  /** Which calls `answer` concerns; all by default. */
  concerns: (call: Call) => boolean
}

/** A gate that writes wait at while it is shut. */
export type Gate = {
  /** Shuts the gate; the returned function opens it again, once all who shut it have. */
  hold(): () => void
  pass(): Promise<void>
  /** Resolves when that many are waiting at once. */
  whenWaiting(count: number): Promise<void>
  open(): void
}

export function createFaults(): Faults {
  return { answer: 'normal', delay: 0, forbidPut: false, rejectHash: false, concerns: () => true }
}

export function createGate(): Gate {
  const holders = new Set<symbol>()
  const waiting = new Set<() => void>()
  const watchers = new Set<{ count: number; resolve: () => void }>()
  const letThrough = () => {
    for (const go of waiting) go()
    waiting.clear()
  }
  return {
    hold() {
      const holder = Symbol('holder')
      holders.add(holder)
      return () => {
        holders.delete(holder)
        if (holders.size === 0) letThrough()
      }
    },
    async pass() {
      if (holders.size === 0) return
      const passed = new Promise<void>((resolve) => waiting.add(resolve))
      for (const watcher of watchers) {
        if (waiting.size < watcher.count) continue
        watcher.resolve()
        watchers.delete(watcher)
      }
      await passed
    },
    async whenWaiting(count) {
      if (waiting.size >= count) return
      await new Promise<void>((resolve) => watchers.add({ count, resolve }))
    },
    open() {
      holders.clear()
      letThrough()
    },
  }
}

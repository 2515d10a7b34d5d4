/** One request that was received: `path` without its query, `at` in milliseconds since 1970. */
export type Call = { method: string; path: string; username: string | undefined; at: number }

/**
 * Read for each request. `response`:
 * - `unauthorized`: 401 to every request, as from a new node until its `.security` index is active
 * - `unavailable`, `too_many_requests`: 503, 429
 * - `hang`: the connection stays open without a response · `drop`: the connection is reset before the request is carried out
 * - `lose_response`: the request is carried out, then the connection is reset
 */
export type Faults = {
  response: 'normal' | 'unauthorized' | 'unavailable' | 'too_many_requests' | 'hang' | 'drop' | 'lose_response'
  /** Milliseconds before the request is carried out. */
  delay: number | ((call: Call) => number)
  /** PUT and POST of a user get 403, as if the account lacked manage_security. */
  forbidPut: boolean
  /** Every `password_hash` gets 400, whatever its algorithm. */
  rejectHash: boolean
  /** The calls to which `response` applies; all by default. */
  concerns: (call: Call) => boolean
}

/** While it is closed, writes wait. */
export type Gate = {
  /** Closes the gate. The returned function opens it, unless another holder still keeps it closed. */
  hold(): () => void
  pass(): Promise<void>
  /** Resolves when that many writes wait at the same time. */
  whenWaiting(count: number): Promise<void>
  open(): void
}

export function createFaults(): Faults {
  return { response: 'normal', delay: 0, forbidPut: false, rejectHash: false, concerns: () => true }
}

export function createGate(): Gate {
  const holders = new Set<symbol>()
  const waiting = new Set<() => void>()
  const watchers = new Set<{ count: number; resolve: () => void }>()
  const release = () => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  return {
    hold() {
      const holder = Symbol('holder')
      holders.add(holder)
      return () => {
        holders.delete(holder)
        if (holders.size === 0) release()
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
      release()
    },
  }
}

/** Lets tests wait for a state that events change. */
export function createSignal() {
  let change = Promise.withResolvers<void>()
  return Object.freeze({
    /** Makes those that wait look again. */
    notify() {
      change.resolve()
      change = Promise.withResolvers()
    },
    /** Resolves to what `find` returns, once that is defined or `isOver`. */
    async waitFor<T>(find: () => T | undefined, isOver = () => false): Promise<T | undefined> {
      for (;;) {
        const found = find()
        if (found !== undefined || isOver()) return found
        await change.promise
      }
    },
  })
}

/** Repeats `read` until its value is accepted: for what other processes change. The test's own time limit ends it. */
export async function eventually<T>(read: () => Promise<T>, accepts: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read()
    if (accepts(value)) return value
    await new Promise((wake) => setTimeout(wake, 10))
  }
}

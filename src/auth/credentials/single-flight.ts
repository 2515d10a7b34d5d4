/** Runs `task` for `key`, unless one runs already: then its result is shared, or waited for when it was about something else. */
export type SingleFlight<T> = Readonly<{
  /**
   * @param topic two calls with the same key and topic want the same result
   * @param recall what to answer without a task, if another flight has brought it in the meantime
   */
  join: (key: string, topic: string, task: () => Promise<T>, recall: () => T | undefined) => Promise<T>
}>

/** One task per key at a time in this process. */
export function createSingleFlight<T>(): SingleFlight<T> {
  const running = new Map<string, { topic: string; result: Promise<T> }>()

  async function join(key: string, topic: string, task: () => Promise<T>, recall: () => T | undefined): Promise<T> {
    for (;;) {
      const flight = running.get(key)
      if (flight === undefined) break
      if (flight.topic === topic) return flight.result
      await flight.result.catch(() => {}) // its failure is its callers' to hear of
      const known = recall()
      if (known !== undefined) return known
    }
    const result = task().finally(() => running.delete(key))
    running.set(key, { topic, result })
    return result
  }

  return Object.freeze({ join })
}

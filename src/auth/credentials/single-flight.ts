/** Single-flight: at most one task per key runs at a time in this process, and equal calls share its result. */
export type ExclusiveSingleFlight<T> = Readonly<{ run: (call: ExclusiveCall<T>) => Promise<T> }>

export type ExclusiveCall<T> = Readonly<{
  key: string
  /** Calls with the same key and topic want the same result and share one task. Other topics of the key wait for it to end. */
  topic: string
  task: () => Promise<T>
  /** Called after such a wait: a result that makes the task unnecessary. */
  findResult: () => T | undefined
}>

export function createExclusiveSingleFlight<T>(): ExclusiveSingleFlight<T> {
  const running = new Map<string, { topic: string; result: Promise<T> }>()

  async function run({ key, topic, task, findResult }: ExclusiveCall<T>): Promise<T> {
    for (;;) {
      const current = running.get(key)
      if (current === undefined) break
      if (current.topic === topic) return current.result
      await current.result.catch(() => {}) // the error is reported to the callers of that task
      const found = findResult()
      if (found !== undefined) return found
    }
    const result = task().finally(() => running.delete(key))
    running.set(key, { topic, result })
    return result
  }

  return Object.freeze({ run })
}

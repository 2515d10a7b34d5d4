/** Single-flight: while a task runs for a key, further calls with that key share its result, or its rejection. */
export function createSingleFlight<T>(): (key: string, task: () => Promise<T>) => Promise<T> {
  const running = new Map<string, Promise<T>>()

  return function runOnce(key, task) {
    const current = running.get(key)
    if (current !== undefined) return current
    const result = task().finally(() => running.delete(key))
    running.set(key, result)
    return result
  }
}

export type SharedTask<T> = Readonly<{ run: () => Promise<T>; isRunning: () => boolean }>

/** Single-flight for one task. */
export function shareTask<T>(task: () => Promise<T>): SharedTask<T> {
  let running: Promise<T> | undefined

  function run(): Promise<T> {
    running ??= task().finally(() => {
      running = undefined
    })
    return running
  }

  return Object.freeze({ run, isRunning: () => running !== undefined })
}

/** Single-flight and mutual exclusion: at most one task per key runs at a time in this process, and equal calls share its result. */
export type ExclusiveSingleFlight<T> = Readonly<{ run: (call: ExclusiveCall<T>) => Promise<T> }>

export type ExclusiveCall<T> = Readonly<{
  key: string
  /** Calls with the same key and topic want the same result and share one task. Other topics of the key wait for it to end. */
  topic: string
  task: () => Promise<T>
  /** Called after another topic's task has ended: returns a result that makes this task unnecessary, if there is one. */
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

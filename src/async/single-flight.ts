/** Single-flight: while a task runs for a key, further calls with that key share the task's result or rejection. */
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

/**
 * Single-flight and mutual exclusion: at most one task per key runs at a time in this process, and calls with the same
 * topic share its result.
 */
export type ExclusiveSingleFlight = Readonly<{
  /** All calls with the same key and topic must return the same type. */
  run: <T>(call: ExclusiveCall<T>) => Promise<T>
}>

export type ExclusiveCall<T> = Readonly<{
  key: string
  /**
   * Calls with the same key and topic share one task. A call with the same key and another topic waits until that task
   * has ended.
   */
  topic: string
  task: () => Promise<T>
  /** Called after a task with another topic has ended. If it returns a result, this call's task is not run. */
  findResult: () => T | undefined
}>

export function createExclusiveSingleFlight(): ExclusiveSingleFlight {
  const running = new Map<string, { topic: string; result: Promise<unknown> }>()

  async function run<T>({ key, topic, task, findResult }: ExclusiveCall<T>): Promise<T> {
    for (;;) {
      const current = running.get(key)
      if (current === undefined) break
      if (current.topic === topic) return current.result as Promise<T>
      await current.result.catch(() => {}) // that task's own callers get its error
      const found = findResult()
      if (found !== undefined) return found
    }
    const result = task().finally(() => running.delete(key))
    running.set(key, { topic, result })
    return result
  }

  return Object.freeze({ run })
}

/**
 * Runs a task as soon as fewer than `maxConcurrent` other tasks run, in the order of the calls. Resolves or rejects
 * with the task's result. Also rejects if the queue is full, or if the task waited longer than its queue timeout.
 */
export type ConcurrencyLimit = <T>(task: () => Promise<T>, queueTimeout?: QueueTimeout) => Promise<T>

export type QueueTimeout = Readonly<{
  timeoutMs: number
  /** Creates the error for a task that is not run because it waited for `timeoutMs`. */
  onTimeout: () => Error
}>

export type ConcurrencyLimitOptions = Readonly<{ maxConcurrent: number }> &
  (
    | Readonly<{ maxQueued?: never }>
    | Readonly<{
        maxQueued: number
        /** Creates the error for a task that is not run because the queue is full. */
        onQueueFull: () => Error
      }>
  )

/** Without `maxQueued` the queue has no limit. */
export function createConcurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
  const { maxConcurrent } = options
  const queue = new Set<() => void>()
  let running = 0

  return async function limitConcurrency(task, queueTimeout) {
    if (running < maxConcurrent) running++
    else {
      if (options.maxQueued !== undefined && queue.size >= options.maxQueued) throw options.onQueueFull()
      await waitIn(queue, queueTimeout)
    }
    try {
      return await task()
    } finally {
      const [next] = queue
      if (next === undefined) running--
      else {
        queue.delete(next)
        next() // the next task takes this one's place, so `running` stays unchanged
      }
    }
  }
}

async function waitIn(queue: Set<() => void>, queueTimeout: QueueTimeout | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  queue.add(resolve)
  if (queueTimeout === undefined) return promise
  const timer = setTimeout(() => {
    queue.delete(resolve)
    reject(queueTimeout.onTimeout())
  }, queueTimeout.timeoutMs)
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}

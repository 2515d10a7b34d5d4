/**
 * Settles as `work` does, or rejects with what `onTimeout` returns if that takes longer. The work goes on: to cancel a call, pass
 * it an AbortSignal instead.
 */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number, onTimeout: () => Error): Promise<T> {
  const { promise: timedOut, reject } = Promise.withResolvers<never>()
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    // If the event loop was blocked, the response may have arrived: sockets are read before immediates run.
    immediate = setImmediate(() => reject(onTimeout()))
  }, timeoutMs)
  try {
    return await Promise.race([work, timedOut])
  } finally {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/**
 * Resolves or rejects with the result of `work`, or rejects with the error from `onTimeout` after `timeoutMs`. The work
 * is not canceled; to cancel it, pass it an AbortSignal.
 */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number, onTimeout: () => Error): Promise<T> {
  const { promise: timedOut, reject } = Promise.withResolvers<never>()
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    // If the event loop was blocked, a response may already have arrived. It is still used, because sockets are read
    // before immediates run.
    immediate = setImmediate(() => reject(onTimeout()))
  }, timeoutMs)
  try {
    return await Promise.race([work, timedOut])
  } finally {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

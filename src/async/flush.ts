/** Maximum number of concurrent retries; more would delay requests that use the same service. */
const maxConcurrent = 16

/**
 * Retries what failed while a service was unavailable. The returned function calls `retry` for a few entries of `pending` at a
 * time, until none is left or a call fails; the next flush retries the rest. `retry` has to remove its entry, or move it to the
 * end, so that one that always fails does not delay the others. While a flush runs, another one does nothing. Never rejects.
 */
export function createFlush<T>(
  pending: Iterable<T> & Readonly<{ size: number }>,
  retry: (entry: T) => Promise<unknown>,
): () => Promise<void> {
  let isFlushing = false

  return async function flush() {
    if (isFlushing) return
    isFlushing = true
    try {
      while (pending.size > 0) await Promise.all(Iterator.from(pending).take(maxConcurrent).toArray().map(retry))
    } catch {
      // The service is unavailable again.
    }
    isFlushing = false
  }
}

import { getHeapStatistics } from 'node:v8'
import type { Logger } from '../observability/log.ts'

/**
 * The heap that one HTTP/1.1 connection can occupy, in bytes: two requests with the largest headers, or the maximum
 * number of small pending ones (measured: 300 KB). An HTTP/2 connection counts as several (listen/limits.ts).
 */
const bytesPerConnection = 320 * 1024

/** The part of the heap that connections may occupy. */
const heapShare = 1 / 2

/**
 * The number of connections for which the heap has room if each occupies its maximum: with more, unauthenticated
 * clients could exhaust the memory. The default heap of Node on a machine with 16 GB has room for 6,500. Logs a line if
 * that is less than `max_connections`.
 * @param heapBytes the heap limit of V8
 */
export function computeConnectionBudget(
  maxConnections: number,
  log: Pick<Logger, 'info'>,
  heapBytes = getHeapStatistics().heap_size_limit,
): number {
  const budget = Math.floor((heapBytes * heapShare) / bytesPerConnection)
  if (budget < maxConnections) {
    log.info(
      `max_connections is ${maxConnections}, but the heap of ${Math.round(heapBytes / 1024 ** 2)} MiB is enough for ${budget}: ` +
        'further connections are closed. To allow them, give the process more memory (--max-old-space-size)',
    )
  }
  return budget
}

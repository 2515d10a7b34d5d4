import { getHeapStatistics } from 'node:v8'
import type { Logger } from '../observability/log.ts'

/**
 * The heap that one HTTP/1.1 connection can occupy, in bytes. Two pending requests with headers of the maximum size, or
 * the maximum number of small pending requests, were measured at 300 KB. An HTTP/2 connection counts as several
 * (`http2Weight`).
 */
const bytesPerConnection = 320 * 1024

/** The part of the heap that connections may occupy. */
const heapShare = 1 / 2

/**
 * The number of connections for which the heap has room if each connection occupies its maximum. With more,
 * unauthenticated clients could exhaust the memory. Node's default heap on a machine with 16 GB has room for 6,500.
 * Logs a line if the number is lower than `max_connections`.
 * @param heapBytes V8's heap limit
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

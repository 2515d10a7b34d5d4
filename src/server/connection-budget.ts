import { getHeapStatistics } from 'node:v8'
import type { Logger } from '../observability/log.ts'

/**
 * The heap that one HTTP/1.1 connection can occupy, in bytes: two requests with the largest headers, or the maximum of small
 * pending ones (measured: 300 KB). An HTTP/2 connection counts as several (listeners/limits.ts).
 */
const bytesPerConnection = 320 * 1024

/** The rest is for everything else. */
const share = 1 / 2

/**
 * The number of connections that the heap has room for if each occupies its maximum: with more, an unauthenticated client could
 * exhaust the memory. Node's default heap on a machine with 16 GB has room for 6,500. Warns if this lowers `max_connections`.
 * @param heap all that V8 may use, in bytes
 */
export function computeConnectionBudget(
  wanted: number,
  log: Pick<Logger, 'info'>,
  heap = getHeapStatistics().heap_size_limit,
): number {
  const affordable = Math.floor((heap * share) / bytesPerConnection)
  if (affordable < wanted) {
    log.info(
      `max_connections is ${wanted}, but the heap of ${Math.round(heap / 1024 ** 2)} MiB is enough for ${affordable}: ` +
        'further connections are closed. To allow them, give the process more memory (--max-old-space-size)',
    )
  }
  return affordable
}

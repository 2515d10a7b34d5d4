import { getHeapStatistics } from 'node:v8'
import type { Logger } from './log.ts'

/**
 * What an HTTP/1.1 connection may fill of the heap, whoever has made it: two requests with the largest heads, or as many
 * small ones as may be pending (measured: 300 KB). In bytes. HTTP/2 connections count as several (listeners/limits.ts).
 */
const bytesPerConnection = 320 * 1024

/** The rest is for everything else. */
const share = 1 / 2

/**
 * As many connections as the heap holds when each of them holds all that it can: beyond that, somebody without a name could
 * end the process. Node's own heap on a machine of 16 GB holds 6,500. Says so where that is less than was asked for.
 * @param heap all that V8 may use, in bytes
 */
export function affordableConnections(
  wanted: number,
  log: Pick<Logger, 'info'>,
  heap = getHeapStatistics().heap_size_limit,
): number {
  const affordable = Math.floor((heap * share) / bytesPerConnection)
  if (affordable < wanted) {
    log.info(
      `max_connections is ${wanted}, but the heap of ${Math.round(heap / 1024 ** 2)} MiB is enough for ${affordable}: ` +
        'more are closed. Give the process more memory (--max-old-space-size) for all of them',
    )
  }
  return affordable
}

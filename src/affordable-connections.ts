import { getHeapStatistics } from 'node:v8'
import type { Logger } from './log.ts'

/** What a connection may fill of the heap before anybody knows whose it is: a head of 64 KiB, in pieces. In bytes. */
const mostPerConnection = 112 * 1024

/** The rest is for everything else. */
const share = 1 / 3

/**
 * As many connections as were asked for, or as the heap holds with the largest heads: beyond that, somebody without a name
 * could end the process. Node's own heap on a machine of 16 GB holds 12,000.
 * @param heap all that V8 may use, in bytes
 */
export function affordableConnections(
  wanted: number,
  log: Pick<Logger, 'info'>,
  heap = getHeapStatistics().heap_size_limit,
): number {
  const affordable = Math.floor((heap * share) / mostPerConnection)
  if (affordable >= wanted) return wanted
  log.info(
    `max_connections is ${wanted}, but the heap of ${Math.round(heap / 1024 ** 2)} MiB is enough for ${affordable}: ` +
      'more are closed. Give the process more memory (--max-old-space-size) for all of them',
  )
  return affordable
}

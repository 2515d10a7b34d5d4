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

/** With fewer connections, the budget is logged even if the operator has not set `max_connections`. */
const smallBudget = 1000

export type ConnectionBudgetOptions = Readonly<{
  maxConnections: number
  /** Whether `max_connections` has its default, which few installations need and few heaps have room for. */
  isDefault: boolean
  log: Pick<Logger, 'info' | 'debug'>
  /** V8's heap limit. */
  heapBytes?: number
}>

/**
 * The number of connections for which the heap has room if each connection occupies its maximum. With more,
 * unauthenticated clients could exhaust the memory. Node's default heap on a machine with 16 GB has room for 6,500.
 * Logs a line if the number is lower than `max_connections`, at level info if that contradicts what the operator has set or if
 * the number is small.
 */
export function computeConnectionBudget({
  maxConnections,
  isDefault,
  log,
  heapBytes = getHeapStatistics().heap_size_limit,
}: ConnectionBudgetOptions): number {
  const budget = Math.floor((heapBytes * heapShare) / bytesPerConnection)
  if (budget < maxConnections) {
    log[isDefault && budget >= smallBudget ? 'debug' : 'info'](
      `max_connections is ${maxConnections}, but the heap of ${Math.round(heapBytes / 1024 ** 2)} MiB is enough for ${budget}: ` +
        'further connections are closed. To allow them, give the process more memory (--max-old-space-size)',
    )
  }
  return budget
}

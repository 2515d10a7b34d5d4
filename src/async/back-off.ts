/** Exponential back-off, without jitter. */
export type BackOff = Readonly<{ firstMs: number; maxMs: number }>

/** The delay before a retry, in milliseconds: `firstMs` for retry 0, then twice the previous delay, at most `maxMs`. */
export function backOffMs(retry: number, { firstMs, maxMs }: BackOff): number {
  return Math.min(firstMs * 2 ** retry, maxMs)
}

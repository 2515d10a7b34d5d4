/** Exponential back-off, without jitter. */
export type BackOff = Readonly<{ firstMs: number; maxMs: number }>

/** The delay before a retry, in milliseconds: `firstMs`, then twice as long each time, at most `maxMs`. @param retry counts from 0 */
export function backOffMs(retry: number, { firstMs, maxMs }: BackOff): number {
  return Math.min(firstMs * 2 ** retry, maxMs)
}

import { setFlagsFromString } from 'node:v8'

/** In proxy mode a connection holds about 30 kB while its request lasts. */
const thresholds = { cachedUsers: 5_000, connections: 1_000 }
const pollIntervalMs = 1000

export type HeapLoad = Readonly<{ cachedUsers: () => number; connections: () => Promise<number> }>

/**
 * Above a threshold, tells V8 to optimize for size: it would otherwise let the heap grow to twice the live data before it collects.
 * This costs 5% of the speed, so small installations keep V8's defaults (see bench/README.md).
 */
export function tuneHeap({ cachedUsers, connections }: HeapLoad, stopped: AbortSignal): void {
  const timer = setInterval(async () => {
    if (cachedUsers() < thresholds.cachedUsers && (await connections()) < thresholds.connections) return
    setFlagsFromString('--optimize-for-size')
    clearInterval(timer)
  }, pollIntervalMs).unref()
  stopped.addEventListener('abort', () => clearInterval(timer))
}

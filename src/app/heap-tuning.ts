import { setFlagsFromString } from 'node:v8'

/** The numbers above which the heap is tuned. In proxy mode, a connection occupies about 30 kB during a request. */
const thresholds = { cachedUsers: 5_000, connections: 1_000 }
const pollIntervalMs = 1000

export type HeapLoad = Readonly<{ cachedUsers: () => number; connections: () => Promise<number> }>

/**
 * Tells V8 to optimize for size if a threshold is exceeded. Otherwise V8 lets the heap grow to twice the live data
 * before it collects garbage. Tuning reduces throughput by 5%, so small installations keep V8's defaults.
 */
export function tuneHeap({ cachedUsers, connections }: HeapLoad, stopped: AbortSignal): void {
  const timer = setInterval(async () => {
    if (cachedUsers() < thresholds.cachedUsers && (await connections()) < thresholds.connections) return
    setFlagsFromString('--optimize-for-size')
    clearInterval(timer)
  }, pollIntervalMs).unref()
  stopped.addEventListener('abort', () => clearInterval(timer))
}

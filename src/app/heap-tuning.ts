import { setFlagsFromString } from 'node:v8'

/** Cached users, or open connections (in proxy mode each holds some 30 kB for as long as its request lasts). */
const crowd = { users: 5_000, connections: 1_000 }
const lookEvery = 1000

export type Load = Readonly<{ cachedUsers: () => number; connections: () => Promise<number> }>

/**
 * With few users V8's own habits are the quickest. With many it lets the heap grow to twice what they need before it
 * collects; from a crowd on it is told to mind the size, which costs a twentieth of the speed (see bench/README.md).
 */
export function tuneHeap({ cachedUsers, connections }: Load, stopped: AbortSignal): void {
  const timer = setInterval(async () => {
    if (cachedUsers() < crowd.users && (await connections()) < crowd.connections) return
    setFlagsFromString('--optimize-for-size')
    clearInterval(timer)
  }, lookEvery).unref()
  stopped.addEventListener('abort', () => clearInterval(timer))
}

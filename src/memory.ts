import { setFlagsFromString } from 'node:v8'

const crowd = 5_000
const lookEvery = 1000

/**
 * With few users V8's own habits are the quickest. With many cached it lets the heap grow to twice what they need before it
 * collects; from a crowd on it is told to mind the size, which costs a twentieth of the speed (see bench/README.md).
 */
export function mindMemory(cachedUsers: () => number, stopped: AbortSignal): void {
  const timer = setInterval(() => {
    if (cachedUsers() < crowd) return
    setFlagsFromString('--optimize-for-size')
    clearInterval(timer)
  }, lookEvery).unref()
  stopped.addEventListener('abort', () => clearInterval(timer))
}

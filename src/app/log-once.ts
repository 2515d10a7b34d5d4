import type { Logger } from '../observability/log.ts'

/** Logs a hint at the first login to which it applies. */
export function createLogOnce(log: Logger, level: 'info' | 'warn', hint: string): () => void {
  let isLogged = false
  return function logOnce() {
    if (!isLogged) log[level](hint)
    isLogged = true
  }
}

import type { TestContext } from 'node:test'

export type Deadlines = Readonly<{
  /** The time limits of all deadlines so far, in milliseconds and in order. */
  limits: readonly number[]
  /** Lets the time pass until all deadlines so far have passed, or until the process notices it that much later. */
  pass: (lateMs?: number) => void
}>

/**
 * Until the test ends, deadlines of `AbortSignal.timeout` pass only when the test says so, and `performance.now` does not move
 * meanwhile. So a busy machine exceeds no time limit.
 */
export function createDeadlines({ mock }: TestContext): Deadlines {
  const limits: number[] = []
  const pending: { at: number; abort: () => void }[] = []
  let now = 0
  mock.method(performance, 'now', () => now)
  mock.method(AbortSignal, 'timeout', (milliseconds: number) => {
    const deadline = new AbortController()
    limits.push(milliseconds)
    pending.push({ at: now + milliseconds, abort: () => deadline.abort() })
    return deadline.signal
  })
  return Object.freeze({
    limits,
    pass(lateMs = 0) {
      for (const { at, abort } of pending.splice(0)) {
        now = Math.max(now, at + lateMs)
        abort()
      }
    },
  })
}

import { setImmediate as yieldToLoop } from 'node:timers/promises'

/** A clock that stands still until it is told to move. Times in milliseconds, `now` since 1970. */
export type FakeClock = Readonly<{
  now: () => number
  /** Not affected when the wall clock is set. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
  /** Moves on step by step, and lets each sleeper do all it can before the next one wakes. */
  advance: (milliseconds: number) => Promise<void>
  /** Moves on without waking anybody: what a slow call does to the time. */
  pass: (milliseconds: number) => void
  /** Sets the wall clock back. */
  setBack: (milliseconds: number) => void
  /** How long each sleeper still has to sleep. */
  sleeping: () => readonly number[]
}>

export function createFakeClock(start: number): FakeClock {
  let time = start
  let behind = 0
  let sleepers: { until: number; wake: () => void }[] = []

  async function advance(milliseconds: number): Promise<void> {
    await yieldToLoop()
    const end = time + milliseconds
    for (;;) {
      const next = sleepers.filter(({ until }) => until <= end).sort((a, b) => a.until - b.until)[0]
      if (next === undefined) break
      sleepers = sleepers.filter((sleeper) => sleeper !== next)
      time = Math.max(time, next.until)
      next.wake()
      await yieldToLoop()
    }
    time = Math.max(time, end)
  }

  return Object.freeze({
    now: () => time - behind,
    monotonicNow: () => time - start,
    setBack(milliseconds: number) {
      behind += milliseconds
    },
    sleep: (milliseconds: number) =>
      new Promise<void>((wake) => sleepers.push({ until: time + Math.max(milliseconds, 0), wake })),
    advance,
    pass(milliseconds: number) {
      time += milliseconds
    },
    sleeping: () => sleepers.map(({ until }) => until - time),
  })
}

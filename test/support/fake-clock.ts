import { setImmediate as yieldToLoop } from 'node:timers/promises'

/** A clock that only moves when the test moves it. Times in milliseconds, `now` since 1970. */
export type FakeClock = Readonly<{
  now: () => number
  /** Not affected by `setBack`. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
  /** Wakes the sleepers whose time has come, one after the other, each after the previous one's work is done. */
  advance: (milliseconds: number) => Promise<void>
  /** Moves the clock without waking sleepers, as a slow call does. */
  skip: (milliseconds: number) => void
  /** Sets only the wall clock back. */
  setBack: (milliseconds: number) => void
  /** The remaining time of each sleeper. */
  pendingSleeps: () => readonly number[]
}>

export function createFakeClock(start: number): FakeClock {
  let time = start
  let setBackMs = 0
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
    now: () => time - setBackMs,
    monotonicNow: () => time - start,
    setBack(milliseconds: number) {
      setBackMs += milliseconds
    },
    sleep: (milliseconds: number) =>
      new Promise<void>((wake) => sleepers.push({ until: time + Math.max(milliseconds, 0), wake })),
    advance,
    skip(milliseconds: number) {
      time += milliseconds
    },
    pendingSleeps: () => sleepers.map(({ until }) => until - time),
  })
}

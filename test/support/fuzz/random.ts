export type Random = Readonly<{
  /** An integer from 0 to `end` - 1. */
  below: (end: number) => number
  /** One of the choices. */
  of: <T>(choices: readonly T[]) => T
  /** True with a probability of 1 in `times`. */
  oneIn: (times: number) => boolean
  /** A copy in random order. */
  shuffled: <T>(items: readonly T[]) => T[]
}>

/** A generator (mulberry32) that returns the same sequence for the same seeds, so that a failure can be reproduced. */
export function createRandom(...seeds: readonly number[]): Random {
  let state = seeds.reduce((mixed, seed) => Math.imul(mixed ^ seed, 0x9e3779b1) ^ (mixed >>> 15), 0x2545f491)

  function next(): number {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }

  const below = (end: number) => Math.floor(next() * end)
  return Object.freeze({
    below,
    of: <T>(choices: readonly T[]) => choices[below(choices.length)]!,
    oneIn: (times: number) => below(times) === 0,
    shuffled: <T>(items: readonly T[]) =>
      items
        .map((item) => ({ item, key: next() }))
        .sort((a, b) => a.key - b.key)
        .map(({ item }) => item),
  })
}

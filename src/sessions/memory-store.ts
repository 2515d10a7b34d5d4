import { LRUCache } from 'lru-cache'
import type { SessionStore } from './store.ts'

type Entry = { value: string; claimant?: string | undefined; until: number }

/** Things that happen once, at the most: what is older is forgotten. */
const maxSeen = 10_000

/** For one replica: sessions end with the process. The longest unused leave when there are more than `maxSessions`. */
export function createMemorySessionStore(maxSessions: number, now: () => number): SessionStore {
  const entries = new LRUCache<string, Entry>({ max: maxSessions })
  const lists = new LRUCache<string, Map<string, number>>({ max: 2 * maxSessions })
  const seen = new Map<string, number>()

  function find(key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined || now() < entry.until) return entry
    entries.delete(key)
    return undefined
  }

  return Object.freeze({
    get: async (key: string) => find(key)?.value,
    has: async (key: string) => find(key) !== undefined,
    async put(key: string, value: string, life: number) {
      entries.set(key, { value, until: now() + life })
    },
    async touch(key: string, life: number) {
      const entry = find(key)
      if (entry) entry.until = now() + life
    },
    async claim(key: string, value: string, claimant: string, inPlaceOf?: string) {
      const entry = find(key)
      if (entry === undefined) return 'gone'
      if (entry.value !== value) return 'changed'
      if (entry.claimant !== undefined && entry.claimant !== inPlaceOf) return { takenBy: entry.claimant }
      entry.claimant = claimant
      return 'granted'
    },
    async finish(key: string, claimant: string, value: string, life: number) {
      const entry = find(key)
      if (entry?.value === value) return true
      if (entry?.claimant !== claimant) return false
      entries.set(key, { value, until: now() + life })
      return true
    },
    async release(key: string, claimant: string) {
      const entry = find(key)
      if (entry?.claimant === claimant) entry.claimant = undefined
    },
    async end(key: string) {
      const isThere = find(key) !== undefined
      entries.delete(key)
      return isThere
    },
    async enlist(name: string, key: string, life: number) {
      const list = lists.get(name) ?? new Map<string, number>()
      for (const [other, until] of list) if (until <= now()) list.delete(other)
      if (!list.has(key)) list.set(key, now() + life)
      lists.set(name, list)
      return list.size
    },
    async delist(name: string, keys: readonly string[]) {
      for (const key of keys) lists.get(name)?.delete(key)
    },
    list: async (name: string) => [...(lists.get(name) ?? [])].filter(([, until]) => now() < until).map(([key]) => key),
    async once(name: string, life: number) {
      if (now() < (seen.get(name) ?? 0)) return false
      seen.delete(name)
      seen.set(name, now() + life)
      if (seen.size > maxSeen) seen.delete(seen.keys().next().value!) // the oldest
      return true
    },
  }) satisfies SessionStore
}

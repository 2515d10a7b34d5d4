import { LRUCache } from 'lru-cache'
import { limitEntries } from '../async/lru-limit.ts'
import type { CompletedRefresh, NewSession, RefreshLockRequest, SessionStore } from './store.ts'

export type MemorySessionStore = SessionStore &
  Readonly<{
    /** The number of sessions, including expired ones that have not been looked up since. */
    count: () => number
  }>

type Entry = {
  value: string
  lockOwner?: string | undefined
  expiresAt: number
  description: string | undefined
  usedAt?: number
}

/** Maximum number of names remembered as used; the oldest is forgotten first. */
const maxUsedNames = 10_000

/**
 * A session store for a single replica, whose sessions end with the process. Evicts the least recently used session when there
 * are more than `maxSessions`.
 */
export function createMemorySessionStore(maxSessions: number, now: () => number): MemorySessionStore {
  const entries = new LRUCache<string, Entry>({
    ...limitEntries(maxSessions),
    dispose(_entry, key, reason) {
      if (reason !== 'set') for (const name of indexNames.get(key) ?? []) removeFrom(name, key)
    },
  })
  /** Limited only for safety: an index is deleted with the last of its sessions, and a session has at most three. */
  const indexes = new LRUCache<string, Map<string, number>>(limitEntries(3 * maxSessions))
  /** The names of the indexes that each session is in. */
  const indexNames = new Map<string, Set<string>>()
  const usedNames = new Map<string, number>()

  function find(key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined || now() < entry.expiresAt) return entry
    entries.delete(key)
    return undefined
  }

  function removeFrom(name: string, key: string): void {
    const index = indexes.get(name)
    index?.delete(key)
    if (index?.size === 0) indexes.delete(name)
    const names = indexNames.get(key)
    names?.delete(name)
    if (names?.size === 0) indexNames.delete(key)
  }

  return Object.freeze({
    get: async (key: string) => find(key)?.value,
    has: async (key: string) => find(key) !== undefined,
    async put(key: string, { value, ttlMs, description }: NewSession) {
      entries.set(key, { value, expiresAt: now() + ttlMs, description })
    },
    async touch(key: string, ttlMs: number) {
      const entry = find(key)
      if (entry) Object.assign(entry, { expiresAt: now() + ttlMs, usedAt: now() })
    },
    async lockRefresh(key: string, { value, owner, replaces }: RefreshLockRequest) {
      const entry = find(key)
      if (entry === undefined) return 'gone'
      if (entry.value !== value) return 'changed'
      if (entry.lockOwner !== undefined && entry.lockOwner !== replaces) return { heldBy: entry.lockOwner }
      entry.lockOwner = owner
      return 'acquired'
    },
    async completeRefresh(key: string, { owner, value, ttlMs }: CompletedRefresh) {
      const entry = find(key)
      if (entry?.value === value) return true
      if (entry?.lockOwner !== owner) return false
      entries.set(key, { ...entry, value, expiresAt: now() + ttlMs, lockOwner: undefined })
      return true
    },
    async unlockRefresh(key: string, owner: string) {
      const entry = find(key)
      if (entry?.lockOwner === owner) entry.lockOwner = undefined
    },
    async readDetails(key: string) {
      const entry = find(key)
      return entry && { description: entry.description, usedAt: entry.usedAt }
    },
    async setDescription(key: string, description: string) {
      const entry = find(key)
      if (entry) entry.description = description
    },
    async delete(key: string) {
      const existed = find(key) !== undefined
      entries.delete(key)
      return existed
    },
    async addToIndex(name: string, { key, ttlMs }: { key: string; ttlMs: number }) {
      const index = indexes.get(name) ?? new Map<string, number>()
      for (const [other, expiresAt] of index) if (expiresAt <= now()) removeFrom(name, other)
      if (!index.has(key)) index.set(key, now() + ttlMs)
      indexes.set(name, index)
      indexNames.set(key, (indexNames.get(key) ?? new Set()).add(name))
      return index.size
    },
    async removeFromIndex(name: string, keys: readonly string[]) {
      for (const key of keys) removeFrom(name, key)
    },
    listIndex: async (name: string) =>
      [...(indexes.get(name) ?? [])].filter(([, expiresAt]) => now() < expiresAt).map(([key]) => key),
    wasUsed: async (name: string) => now() < (usedNames.get(name) ?? 0),
    async useOnce(name: string, ttlMs: number) {
      if (now() < (usedNames.get(name) ?? 0)) return false
      usedNames.delete(name)
      usedNames.set(name, now() + ttlMs)
      if (usedNames.size > maxUsedNames) usedNames.delete(usedNames.keys().next().value!) // the oldest
      return true
    },
    count: () => entries.size,
  }) satisfies MemorySessionStore
}

import { randomBytes } from 'node:crypto'
import { endOf, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import { createPendingInvalidations } from './pending-invalidations.ts'
import { decodeEntry, encodeEntry, encodeState, type Seal } from './shared-entry.ts'
import type { SharedRead, SharedStates, Unlock } from './shared-states.ts'

/**
 * What L2 needs of Redis: four atomic steps on one key, each announced to all replicas where it changed anything.
 * A value is an entry (see shared-entry.ts) or a mark:
 * `!token` somebody's turn · `?token` a turn while in doubt · `?token.` in doubt, nobody's turn.
 * Every function rejects when it cannot be done; then it may have been done all the same. Times in milliseconds.
 */
export type SharedStore = Readonly<{
  /** `''` when there is nothing. */
  get: (username: string) => Promise<string>
  /** Puts `value` where `expected` still stands. */
  replace: (username: string, expected: string, value: string, life: number, id: string) => Promise<void>
  /**
   * Puts the mark of a turn where `expected` still stands and it is nobody's turn; insisting, in any case, but in doubt.
   * The mark lives for `life` from then on, in doubt too: what is left of the doubt may be less than a write takes.
   */
  claim: (
    username: string,
    expected: string | undefined,
    token: string,
    life: number,
    insist: boolean,
  ) => Promise<Claim>
  /** Puts `value` where the turn's own mark stands; else what Elasticsearch holds is in doubt. */
  finish: (username: string, token: string, value: string, life: number, id: string, markLife: number) => Promise<void>
  /** Puts doubt where a value that begins with `prefix` stands. */
  taint: (username: string, prefix: string, token: string, life: number) => Promise<void>
}>

export type Claim = 'granted' | 'taken' | 'changed'

export type SharedCacheOptions = Readonly<{
  store: SharedStore
  keys: Seal
  rules: LifecycleRules
  /** Longer than any write to Elasticsearch may take until it is carried out or given up. */
  lockTtlMs: number
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
}>

/** How long we wait for another replica's write before we write ourselves, and how often we look. */
const patience = 2000
const lookEvery = 25

/**
 * States shared through Redis. An entry stands there only if its writer was alone from before its write to Elasticsearch
 * until after it; so nothing older ever replaces anything newer, whatever the clocks say.
 */
export function createSharedCache({
  store,
  keys,
  rules,
  lockTtlMs,
  now,
  monotonicNow,
  sleep,
}: SharedCacheOptions): SharedStates {
  // What stood there while we could not reach it may be older than what we wrote.
  const pendingInvalidations = createPendingInvalidations((username) =>
    store.taint(username, '', createToken(), lockTtlMs),
  )

  async function read(username: string): Promise<SharedRead> {
    try {
      const value = await store.get(username)
      const isMissing = value === '' || isMark(value) || pendingInvalidations.has(username)
      void pendingInvalidations.pay()
      return { value, state: isMissing ? undefined : decodeEntry(username, value, keys) }
    } catch {
      return { value: undefined, state: undefined }
    }
  }

  function publish(username: string, state: ManagedState, { value }: SharedRead): void {
    if (value === undefined || isMark(value) || lifeOf(state) <= 0) return
    store.replace(username, value, entryOf(username, state), lifeOf(state), encodeState(state)).catch(() => {})
  }

  async function lock(username: string, { value }: SharedRead, insist: boolean): Promise<Unlock | 'changed' | 'stuck'> {
    const token = createToken()
    try {
      const claim = await store.claim(username, value, token, lockTtlMs, insist)
      if (claim === 'changed') return 'changed'
      if (claim === 'taken') return (await isOver(username)) ? 'changed' : 'stuck'
    } catch {
      // Without Redis a write needs no turn: what replicas write at the same time holds the same password.
    }
    return (held) => end(username, token, held)
  }

  async function end(username: string, token: string, state: ManagedState | undefined): Promise<void> {
    try {
      // An empty value counts as absent, and expires after a millisecond.
      if (state === undefined) return await store.finish(username, token, '', 1, '', lockTtlMs)
      const life = Math.max(lifeOf(state), 1)
      await store.finish(username, token, entryOf(username, state), life, encodeState(state), lockTtlMs)
    } catch {
      pendingInvalidations.add(username)
    }
  }

  /** Waits until it is nobody's turn any more. @returns false when that takes too long */
  async function isOver(username: string): Promise<boolean> {
    const until = monotonicNow() + patience // by time, not by count: reads take time, too
    while (monotonicNow() < until) {
      await sleep(lookEvery)
      const value = await store.get(username)
      if (!isMark(value) || value.endsWith('.')) return true
    }
    return false
  }

  function taint(username: string, state: ManagedState): void {
    store
      .taint(username, `${encodeState(state)} `, createToken(), lockTtlMs)
      .catch(() => pendingInvalidations.add(username))
  }

  function entryOf(username: string, state: ManagedState): string {
    return encodeEntry(username, state, createToken(), keys)
  }

  function lifeOf(state: ManagedState): number {
    return endOf(state, rules) + rules.rotationPause - now()
  }

  return Object.freeze({ read, publish, lock, taint })
}

function isMark(value: string): boolean {
  return value.startsWith('!') || value.startsWith('?')
}

function createToken(): string {
  return randomBytes(6).toString('base64url')
}

import { randomBytes } from 'node:crypto'
import { endOf, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import { createPendingInvalidations } from './pending-invalidations.ts'
import { decodeEntry, encodeEntry, encodeState, type Seal } from './shared-entry.ts'
import type { SharedRead, SharedStates, Unlock } from './shared-states.ts'

/**
 * What the shared cache needs of Redis: four atomic steps on one key. Each step that changes a value notifies all replicas.
 * A value is one of: an entry (see shared-entry.ts) · `!token`, a lock · `?token`, a lock on a tainted user · `?token.`, a taint.
 * Functions reject if Redis does not confirm the step, which may have been carried out all the same. Times in milliseconds.
 */
export type SharedStore = Readonly<{
  /** Resolves to `''` if there is no value. */
  get: (username: string) => Promise<string>
  /** Compare-and-set: stores `value` if the current value is still `expected`. */
  replace: (change: ReplaceRequest) => Promise<void>
  /** Takes the user's lock. */
  claim: (claim: ClaimRequest) => Promise<Claim>
  /** Replaces the lock with `value` if it is still held with `token`; otherwise taints the user. */
  finish: (result: FinishRequest) => Promise<void>
  /** Taints the user if the current value begins with `prefix`. */
  taint: (taint: TaintRequest) => Promise<void>
}>

/** `stateId` is sent to the other replicas with the change (see `encodeState`). */
export type ReplaceRequest = Readonly<{
  username: string
  expected: string
  value: string
  ttlMs: number
  stateId: string
}>

export type ClaimRequest = Readonly<{
  username: string
  /** The value that was read; undefined if it is not known. */
  expected: string | undefined
  token: string
  /** Starts anew with each lock, also on a tainted user: the rest of the taint's TTL may be shorter than a write. */
  ttlMs: number
  /** Takes the lock even if it is held or the value has changed; the user is tainted then. */
  force: boolean
}>

/** `taken`: another replica holds the lock · `changed`: the value is not `expected` */
export type Claim = 'granted' | 'taken' | 'changed'

export type FinishRequest = Readonly<{
  username: string
  token: string
  value: string
  ttlMs: number
  stateId: string
  /** The taint's, if the lock is not held any more. */
  taintTtlMs: number
}>

export type TaintRequest = Readonly<{ username: string; prefix: string; token: string; ttlMs: number }>

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
    store.taint({ username, prefix: '', token: createToken(), ttlMs: lockTtlMs }),
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
    const ttlMs = ttlOf(state)
    if (value === undefined || isMark(value) || ttlMs <= 0) return
    const change = { username, expected: value, value: entryOf(username, state), ttlMs, stateId: encodeState(state) }
    store.replace(change).catch(() => {})
  }

  async function lock(username: string, { value }: SharedRead, insist: boolean): Promise<Unlock | 'changed' | 'stuck'> {
    const token = createToken()
    try {
      const claim = await store.claim({ username, expected: value, token, ttlMs: lockTtlMs, force: insist })
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
      const [value, ttlMs, stateId] =
        state === undefined ? ['', 1, ''] : [entryOf(username, state), Math.max(ttlOf(state), 1), encodeState(state)]
      await store.finish({ username, token, value, ttlMs, stateId, taintTtlMs: lockTtlMs })
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
      .taint({ username, prefix: `${encodeState(state)} `, token: createToken(), ttlMs: lockTtlMs })
      .catch(() => pendingInvalidations.add(username))
  }

  function entryOf(username: string, state: ManagedState): string {
    return encodeEntry(username, state, createToken(), keys)
  }

  function ttlOf(state: ManagedState): number {
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

import { randomBytes } from 'node:crypto'
import { expiryOf, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import { createPendingInvalidations } from './pending-invalidations.ts'
import { decodeEntry, encodeEntry, encodeState, type Seal } from './shared-entry.ts'
import type { LockRequest, SharedRead, SharedStates, Unlock } from './shared-states.ts'
import type { SharedStore } from './shared-store.ts'

export type SharedCacheOptions = Readonly<{
  store: SharedStore
  keys: Seal
  rules: LifecycleRules
  /** Longer than a write to Elasticsearch may take, including one that the network delivers late. */
  lockTtlMs: number
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
}>

/** How long to wait for another replica's lock before forcing one. */
const lockTimeoutMs = 2000
const pollIntervalMs = 25

/**
 * States shared through Redis. An entry is stored only if its writer held the lock from before its write to Elasticsearch until
 * after it. Therefore an older state never replaces a newer one, whatever the clocks say.
 */
export function createSharedCache(options: SharedCacheOptions): SharedStates {
  const { store, keys, rules, lockTtlMs, now } = options
  /** Their entries may be older than what this replica has written while Redis was unreachable. */
  const pendingInvalidations = createPendingInvalidations((username) =>
    store.taint({ username, prefix: '', token: createToken(), ttlMs: lockTtlMs }),
  )

  async function read(username: string): Promise<SharedRead> {
    try {
      const value = await store.get(username)
      const isMiss = value === '' || !isEntryOrEmpty(value) || pendingInvalidations.has(username)
      void pendingInvalidations.flush()
      return { value, state: isMiss ? undefined : decodeEntry(username, value, keys) }
    } catch {
      return { value: undefined, state: undefined }
    }
  }

  function publish(username: string, state: ManagedState, { value }: SharedRead): void {
    const ttlMs = ttlOf(state)
    if (value === undefined || !isEntryOrEmpty(value) || ttlMs <= 0) return
    const change = { username, expected: value, value: encode(username, state), ttlMs, stateId: encodeState(state) }
    store.replace(change).catch(() => {})
  }

  async function lock({ username, read, force }: LockRequest): Promise<Unlock | 'changed' | 'timed_out'> {
    const token = createToken()
    try {
      const claim = await store.claim({ username, expected: read.value, token, ttlMs: lockTtlMs, force })
      if (claim === 'changed') return 'changed'
      if (claim === 'taken') return (await waitForUnlock(username, options)) ? 'changed' : 'timed_out'
    } catch {
      // Without Redis a write needs no lock: concurrent writes of replicas set the same password.
    }
    return (state) => unlock(username, token, state)
  }

  async function unlock(username: string, token: string, state: ManagedState | undefined): Promise<void> {
    try {
      // An empty value counts as absent, and expires after a millisecond.
      const [value, ttlMs, stateId] =
        state === undefined ? ['', 1, ''] : [encode(username, state), Math.max(ttlOf(state), 1), encodeState(state)]
      await store.finish({ username, token, value, ttlMs, stateId, taintTtlMs: lockTtlMs })
    } catch {
      pendingInvalidations.add(username)
    }
  }

  function taint(username: string, state: ManagedState): void {
    store
      .taint({ username, prefix: `${encodeState(state)} `, token: createToken(), ttlMs: lockTtlMs })
      .catch(() => pendingInvalidations.add(username))
  }

  function encode(username: string, state: ManagedState): string {
    return encodeEntry(username, state, createToken(), keys)
  }

  function ttlOf(state: ManagedState): number {
    return expiryOf(state, rules) + rules.rotationPauseMs - now()
  }

  return Object.freeze({ read, publish, lock, taint })
}

/** @returns false if the user is still locked after `lockTimeoutMs` */
async function waitForUnlock(
  username: string,
  { store, monotonicNow, sleep }: Pick<SharedCacheOptions, 'store' | 'monotonicNow' | 'sleep'>,
): Promise<boolean> {
  const deadline = monotonicNow() + lockTimeoutMs // a deadline, not a number of polls: each poll takes time as well
  while (monotonicNow() < deadline) {
    await sleep(pollIntervalMs)
    const value = await store.get(username)
    if (isEntryOrEmpty(value) || value.endsWith('.')) return true
  }
  return false
}

/** Otherwise the value is a lock or a taint (see `SharedStore`). */
function isEntryOrEmpty(value: string): boolean {
  return !value.startsWith('!') && !value.startsWith('?')
}

function createToken(): string {
  return randomBytes(6).toString('base64url')
}

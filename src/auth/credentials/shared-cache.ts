import { randomBytes } from 'node:crypto'
import { expiryOf, type LifecycleRules } from './lifecycle.ts'
import type { ManagedState } from './managed-user.ts'
import { createPendingInvalidations } from './pending-invalidations.ts'
import { decodeEntry, encodeEntry, encodeState, type Seal } from './shared-entry.ts'
import type { LockRequest, SharedRead, SharedStates, Unlock } from './shared-states.ts'
import { isLock, isLockOrTaint, type SharedStore } from './shared-store.ts'

export type SharedCacheOptions = Readonly<{
  store: SharedStore
  keys: Seal
  rules: LifecycleRules
  /** The TTL of a lock. It must be longer than a write to Elasticsearch may take, including network delays. */
  lockTtlMs: number
  now: () => number
  /** The time of a monotonic clock in milliseconds, for measuring intervals. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
}>

/** How long to wait until another replica releases its lock. After that, the caller may force the lock. */
const lockTimeoutMs = 2000
const pollIntervalMs = 25

/** Stored when a lock is released without a state to share. An empty value counts as absent, and expires after a millisecond. */
const noEntry = { value: '', ttlMs: 1, stateId: '' }

/**
 * Shares states through Redis. After a write to Elasticsearch, an entry is stored only if the writer held the lock during the
 * whole write. So an older state never replaces a newer one, even if clocks differ.
 */
export function createSharedCache(options: SharedCacheOptions): SharedStates {
  const { store, keys, rules, lockTtlMs, now } = options
  /** Users that this replica wrote while Redis was unreachable. Their shared entries may be outdated. */
  const pendingInvalidations = createPendingInvalidations((username) =>
    store.taint({ username, prefix: '', token: createToken(), ttlMs: lockTtlMs }),
  )

  async function read(username: string): Promise<SharedRead> {
    try {
      const value = await store.get(username)
      const isMiss = value === '' || isLockOrTaint(value) || pendingInvalidations.has(username)
      void pendingInvalidations.flush()
      return { value, state: isMiss ? undefined : decodeEntry(username, value, keys) }
    } catch {
      return { value: undefined, state: undefined }
    }
  }

  function publish(username: string, state: ManagedState, { value: expected }: SharedRead): void {
    if (expected === undefined || isLockOrTaint(expected) || ttlOf(state) <= 0) return
    store.compareAndSet({ username, expected, ...createEntry(username, state) }).catch(() => {})
  }

  async function lock({ username, read, force }: LockRequest): Promise<Unlock | 'changed' | 'timed_out'> {
    const token = createToken()
    try {
      const result = await store.acquireLock({ username, expected: read.value, token, ttlMs: lockTtlMs, force })
      if (result === 'changed') return 'changed'
      if (result === 'held') return (await waitForUnlock(username, options)) ? 'changed' : 'timed_out'
    } catch {
      // While Redis is unreachable, replicas write without a lock. This is safe because concurrent writes set the same password.
    }
    return (state) => unlock(username, token, state)
  }

  async function unlock(username: string, token: string, state: ManagedState | undefined): Promise<void> {
    try {
      const entry = state === undefined ? noEntry : createEntry(username, state)
      await store.releaseLock({ username, token, ...entry, taintTtlMs: lockTtlMs })
    } catch {
      pendingInvalidations.add(username)
    }
  }

  function taint(username: string, state: ManagedState): void {
    store
      .taint({ username, prefix: `${encodeState(state)} `, token: createToken(), ttlMs: lockTtlMs })
      .catch(() => pendingInvalidations.add(username))
  }

  function createEntry(username: string, state: ManagedState) {
    const value = encodeEntry(username, state, createToken(), keys)
    return { value, ttlMs: Math.max(ttlOf(state), 1), stateId: encodeState(state) }
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
  const deadline = monotonicNow() + lockTimeoutMs // a deadline instead of a number of polls, because each poll takes time as well
  while (monotonicNow() < deadline) {
    await sleep(pollIntervalMs)
    if (!isLock(await store.get(username))) return true
  }
  return false
}

function createToken(): string {
  return randomBytes(6).toString('base64url')
}

/**
 * The atomic Redis operations that the shared cache needs, each on the key of one user. All but `acquireLock` notify the
 * replicas of changes. A value is one of: an entry (see shared-entry.ts) · `!token`, a lock · `?token`, a lock on a tainted
 * user · `?token.`, a taint. Functions reject if Redis does not confirm the operation, which may have taken effect
 * nevertheless. Times in milliseconds.
 */
export type SharedStore = Readonly<{
  /** Resolves to `''` if there is no value. */
  get: (username: string) => Promise<string>
  /** Stores `value` if the current value is still `expected`. */
  compareAndSet: (change: CompareAndSetRequest) => Promise<void>
  acquireLock: (request: AcquireLockRequest) => Promise<AcquireLockResult>
  /** Replaces the lock with `value` if the lock still has this `token`; otherwise taints the user. */
  releaseLock: (request: ReleaseLockRequest) => Promise<void>
  /** Taints the user if the current value begins with `prefix`. */
  taint: (taint: TaintRequest) => Promise<void>
}>

/** `stateId` is sent to the other replicas with the change (see `encodeState`). */
export type CompareAndSetRequest = Readonly<{
  username: string
  expected: string
  value: string
  ttlMs: number
  stateId: string
}>

export type AcquireLockRequest = Readonly<{
  username: string
  /** The value that was read; undefined if reading failed. */
  expected: string | undefined
  token: string
  /** Starts with the lock even if the user is tainted, because the taint may expire before the write finishes. */
  ttlMs: number
  /** Takes the lock even if another replica holds it or the value has changed. In these cases the user is tainted. */
  force: boolean
}>

/** `held`: another replica holds the lock · `changed`: the value is not `expected` */
export type AcquireLockResult = 'acquired' | 'held' | 'changed'

export type ReleaseLockRequest = Readonly<{
  username: string
  token: string
  value: string
  ttlMs: number
  stateId: string
  /** The TTL of the taint, if the lock is no longer held. */
  taintTtlMs: number
}>

export type TaintRequest = Readonly<{ username: string; prefix: string; token: string; ttlMs: number }>

/** Whether a replica holds the user's lock. */
export function isLock(value: string): boolean {
  return isLockOrTaint(value) && !value.endsWith('.')
}

/** False for an entry, and for no value. */
export function isLockOrTaint(value: string): boolean {
  return value.startsWith('!') || value.startsWith('?')
}

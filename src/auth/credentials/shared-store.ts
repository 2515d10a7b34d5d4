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
  /** Starts at the claim, also on a tainted user: the rest of the taint's TTL may be shorter than a write. */
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
  /** The TTL of the taint, if the lock is no longer held. */
  taintTtlMs: number
}>

export type TaintRequest = Readonly<{ username: string; prefix: string; token: string; ttlMs: number }>

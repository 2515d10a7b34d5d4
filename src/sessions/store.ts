/**
 * Stores encrypted sessions by the hash of the session id. TTLs in milliseconds. Every function rejects if the store is
 * unavailable; the operation may have taken effect even then.
 */
export type SessionStore = Readonly<{
  get: (key: string) => Promise<string | undefined>
  /** Whether there is a session, without reading it. */
  has: (key: string) => Promise<boolean>
  put: (key: string, session: NewSession) => Promise<void>
  /** Lets the session expire `ttlMs` from now, and records that it was used now. */
  touch: (key: string, ttlMs: number) => Promise<void>
  /**
   * Acquires the exclusive right to redeem the refresh token in `value`. The lock does not expire, because a suspended owner
   * may still redeem the token, and many providers revoke the whole login when a refresh token is reused (RFC 9700, section
   * 4.14.2).
   */
  lockRefresh: (key: string, request: RefreshLockRequest) => Promise<RefreshLock>
  /** Stores the refreshed session and releases the lock. Resolves to false if the session has ended or another owner holds the lock. */
  completeRefresh: (key: string, result: CompletedRefresh) => Promise<boolean>
  /** Releases the lock of a refresh in which no token was redeemed. */
  unlockRefresh: (key: string, owner: string) => Promise<void>
  /** What is stored beside a session; undefined if there is no session. */
  readDetails: (key: string) => Promise<SessionDetails | undefined>
  /** Replaces the description of a session that exists. */
  setDescription: (key: string, description: string) => Promise<void>
  /** Resolves to false if there was no session. */
  delete: (key: string) => Promise<boolean>
  /**
   * Adds a session to the index `name` as its newest, for `ttlMs`; a session that is in the index already keeps its place.
   * Resolves to the new size of the index.
   */
  addToIndex: (name: string, member: Readonly<{ key: string; ttlMs: number }>) => Promise<number>
  removeFromIndex: (name: string, keys: readonly string[]) => Promise<void>
  /** The sessions in the index `name`, the oldest first; some of them may have ended. */
  listIndex: (name: string) => Promise<readonly string[]>
  /** Whether `useOnce` was called with this name, and its `ttlMs` has not passed. */
  wasUsed: (name: string) => Promise<boolean>
  /** Whether this is the first call with this name within `ttlMs`. Detects replays. */
  useOnce: (name: string, ttlMs: number) => Promise<boolean>
}>

export type NewSession = Readonly<{ value: string; ttlMs: number; description?: string | undefined }>

/**
 * @property description sealed, see session-seal.ts; undefined for a session of an older release
 * @property usedAt the last `touch`, in milliseconds since 1970; undefined if there was none
 */
export type SessionDetails = Readonly<{ description: string | undefined; usedAt: number | undefined }>

/** @property replaces the owner of an abandoned lock, which this request may take over */
export type RefreshLockRequest = Readonly<{ value: string; owner: string; replaces?: string | undefined }>

export type CompletedRefresh = Readonly<{ owner: string; value: string; ttlMs: number }>

/** `changed`: the stored value differs · `heldBy`: another owner is refreshing · `gone`: the session has ended */
export type RefreshLock = 'acquired' | 'changed' | 'gone' | Readonly<{ heldBy: string }>

/** A message to the other replicas about a session. */
export type SessionEvent = Readonly<{ key: string; type: 'changed' | 'ended'; by: string }>

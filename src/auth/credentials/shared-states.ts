import type { ManagedState } from './managed-user.ts'

/**
 * The user states that replicas share, so that not every replica has to read every user from Elasticsearch. No function throws
 * or rejects; while Redis is unreachable, every read is a miss. See docs/credentials-model.md.
 */
export type SharedStates = Readonly<{
  read: (username: string) => Promise<SharedRead>
  /** Shares a state that was read from Elasticsearch, unless the shared value has changed since `read`. */
  publish: (username: string, state: ManagedState, read: SharedRead) => void
  /**
   * Acquires the user's lock before a write to Elasticsearch. While the lock is held, no replica uses the shared state.
   * @returns a function that releases the lock; `changed` if another replica has written the user; or `timed_out` if another
   * replica does not release the lock. After `changed` read the user again, after `timed_out` also set `force`.
   */
  lock: (request: LockRequest) => Promise<Unlock | 'changed' | 'timed_out'>
  /** Invalidates the shared state if it still equals `state`, which was found to be wrong. */
  taint: (username: string, state: ManagedState) => void
}>

export type LockRequest = Readonly<{
  username: string
  read: SharedRead
  /** Takes the lock even if another replica holds it. This taints the user: no state is shared until the taint expires. */
  force: boolean
}>

/**
 * Releases the lock and shares the user's current state in Elasticsearch; undefined shares nothing. A lock that is not released
 * expires.
 */
export type Unlock = (state: ManagedState | undefined) => Promise<void>

export type SharedRead = Readonly<{
  state: ManagedState | undefined
  /** The unvalidated value in the store; `''` if there is none, `undefined` if reading it failed. */
  value: string | undefined
}>

const nothingRead: SharedRead = Object.freeze({ state: undefined, value: undefined })

/** For a single replica, and for replicas that share only Elasticsearch. */
export const noSharedStates: SharedStates = Object.freeze({
  read: async () => nothingRead,
  publish: () => {},
  lock: async () => async () => {},
  taint: () => {},
})

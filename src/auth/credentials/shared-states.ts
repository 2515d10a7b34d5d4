import type { ManagedState } from './managed-user.ts'

/**
 * The users' states that replicas share, so that one need not read from Elasticsearch what another has read or written.
 * No function throws or rejects: while Redis is unreachable, every read is a miss. See docs/credentials-model.md.
 */
export type SharedStates = Readonly<{
  read: (username: string) => Promise<SharedRead>
  /** Shares a state that was read from Elasticsearch, unless the shared value has changed since `read`. */
  publish: (username: string, state: ManagedState, read: SharedRead) => void
  /**
   * Takes the user's lock before a write to Elasticsearch; replicas do not use the shared state while it is held.
   * @returns the function that releases it; otherwise the user must be read again, as another replica has written it (`changed`)
   * or has held the lock for too long (`timed_out`: set `force` next time)
   */
  lock: (request: LockRequest) => Promise<Unlock | 'changed' | 'timed_out'>
  /** Invalidates the shared state if it is still this one: it was found to be wrong. */
  taint: (username: string, state: ManagedState) => void
}>

export type LockRequest = Readonly<{
  username: string
  read: SharedRead
  /** Takes the lock although another replica holds it. The user is tainted then: no state is shared for a while. */
  force: boolean
}>

/**
 * Releases the lock and shares the state that Elasticsearch holds now; undefined shares none. If it is never called, the lock
 * expires.
 */
export type Unlock = (state: ManagedState | undefined) => Promise<void>

export type SharedRead = Readonly<{
  state: ManagedState | undefined
  /** The value in the store, valid or not; `''` if there is none, `undefined` if it could not be read. */
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

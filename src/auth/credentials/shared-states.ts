import type { ManagedState } from './managed-user.ts'

/**
 * What replicas share of the users' states (L2), so that one need not ask Elasticsearch what another has learnt.
 * Nothing here throws or rejects: what cannot be had is a miss. See docs/credentials-model.md.
 */
export type SharedStates = Readonly<{
  read: (username: string) => Promise<SharedRead>
  /** Shares what Elasticsearch was found to hold, unless anything was shared since `read`. */
  publish: (username: string, state: ManagedState, read: SharedRead) => void
  /**
   * Before a write to Elasticsearch: from here on nobody relies on what was shared.
   * @returns how to end the turn; or why there is none: another replica has written (`changed`: read again), or one
   * began and did not come to its end (`stuck`: read again, then `insist`)
   */
  lock: (username: string, read: SharedRead, insist: boolean) => Promise<Unlock | 'changed' | 'stuck'>
  /** What is shared was found wrong, if it is still this: nobody relies on it any more. */
  taint: (username: string, state: ManagedState) => void
}>

/**
 * Shares the state that was written, or that needed no write; undefined if there is nothing to share. If it is never called, the
 * user is not shared for a while.
 */
export type Unlock = (held: ManagedState | undefined) => Promise<void>

export type SharedRead = Readonly<{
  state: ManagedState | undefined
  /** What stood there, understood or not: `''` nothing, `undefined` not known. */
  value: string | undefined
}>

const nothingRead: SharedRead = Object.freeze({ state: undefined, value: undefined })

/** One replica, or several that know of each other by Elasticsearch alone. */
export const noSharedStates: SharedStates = Object.freeze({
  read: async () => nothingRead,
  publish: () => {},
  lock: async () => async () => {},
  taint: () => {},
})

/**
 * Where sessions live, sealed, by the hash of their id. Lives in milliseconds. Every function rejects when the store
 * cannot be had; then it may have done its work all the same.
 */
export type SessionStore = Readonly<{
  get: (key: string) => Promise<string | undefined>
  /** Whether there is a value, without reading it. */
  has: (key: string) => Promise<boolean>
  put: (key: string, value: string, life: number) => Promise<void>
  /** Lets what stands there live on for `life`. */
  touch: (key: string, life: number) => Promise<void>
  /**
   * The right to redeem the refresh token in `value`. It has no end of its own: whoever holds it may be asleep, and a
   * refresh token that is redeemed twice makes many providers revoke them all.
   * @param inPlaceOf a claimant that is given up
   */
  claim: (key: string, value: string, claimant: string, inPlaceOf?: string) => Promise<Claim>
  /** Puts what the claimant got. False where the session has ended in the meantime, or the claim is another's. */
  finish: (key: string, claimant: string, value: string, life: number) => Promise<boolean>
  /** Gives the right back: nothing was redeemed. */
  release: (key: string, claimant: string) => Promise<void>
  /** False where nothing stood there. */
  end: (key: string) => Promise<boolean>
  /**
   * Lists a session under a name as its newest, for `life`; one that is already listed keeps its place. Resolves to the new
   * length of the list.
   */
  enlist: (name: string, key: string, life: number) => Promise<number>
  /** Removes sessions from the list under a name. */
  delist: (name: string, keys: readonly string[]) => Promise<void>
  /** The sessions under a name, the oldest first; some of them may have ended. */
  list: (name: string) => Promise<readonly string[]>
  /** Whether this is the first call with this name for `life`. */
  once: (name: string, life: number) => Promise<boolean>
}>

/** `changed`: another value stands there · `takenBy`: it is being redeemed · `gone`: the session has ended */
export type Claim = 'granted' | 'changed' | 'gone' | Readonly<{ takenBy: string }>

/** What replicas tell each other of a session. */
export type SessionEvent = Readonly<{ key: string; what: 'changed' | 'ended'; by: string }>

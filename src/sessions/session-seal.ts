import type { Seal } from './seal.ts'
import type { Session } from './session.ts'

/** The most a sealed session may hold, in characters: large tokens and many groups fit in, a store is not filled. */
const longest = 96 * 1024

/** Bound to the session's id: nothing in the store opens without the cookie. */
export type SessionSeal = Readonly<{
  /** Undefined for a session that is too large to be kept, even without its ID token. */
  close: (id: string, session: Session) => string | undefined
  open: (id: string, sealed: string) => Session | undefined
}>

export function createSessionSeal(seal: Seal): SessionSeal {
  const closeIfShort = (id: string, session: Session) => {
    const sealed = seal.close(id, JSON.stringify(session))
    return sealed.length <= longest ? sealed : undefined
  }
  return Object.freeze({
    close: (id: string, session: Session) =>
      closeIfShort(id, session) ?? closeIfShort(id, { ...session, idToken: undefined }),
    open(id: string, sealed: string) {
      const text = seal.open(id, sealed)
      return text === undefined ? undefined : (JSON.parse(text) as Session)
    },
  })
}

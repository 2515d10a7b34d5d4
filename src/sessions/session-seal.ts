import type { Seal } from './seal.ts'
import type { Session } from './session.ts'

/** Maximum length of an encrypted session. Large tokens and many groups fit, and the limit bounds what a sign-in can store. */
const maxSealedChars = 96 * 1024

/**
 * Encrypts sessions with a key that depends on the session id, so that reading a session from the store also requires the
 * user's cookie.
 */
export type SessionSeal = Readonly<{
  /** Undefined if the session is too large to store, even without its ID token. */
  close: (id: string, session: Session) => string | undefined
  open: (id: string, sealed: string) => Session | undefined
}>

export function createSessionSeal(seal: Seal): SessionSeal {
  const closeIfShort = (id: string, session: Session) => {
    const sealed = seal.close(id, JSON.stringify(session))
    return sealed.length <= maxSealedChars ? sealed : undefined
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

import type { Seal } from './seal.ts'
import type { Session, SessionDescription } from './session.ts'

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
  /** @param key of the session in the store, so that a description cannot be moved to another session */
  closeDescription: (key: string, description: SessionDescription) => string
  openDescription: (key: string, sealed: string) => SessionDescription | undefined
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
    closeDescription: (key: string, description: SessionDescription) =>
      seal.close(descriptionOf(key), JSON.stringify(description)),
    openDescription(key: string, sealed: string) {
      const text = seal.open(descriptionOf(key), sealed)
      return text === undefined ? undefined : (JSON.parse(text) as SessionDescription)
    },
  })
}

/** No session id has a NUL. */
function descriptionOf(key: string): string {
  return `description\0${key}`
}

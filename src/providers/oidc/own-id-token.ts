import { decodeJwt } from 'jose'
import { ownIdToken } from './invalid-token.ts'

/** Whether a nonce is one of elastauth's own: ID tokens with it are in the URLs of logouts, so they must not authenticate. */
export type IsOwnNonce = (nonce: unknown) => boolean

/**
 * Throws for an ID token of a login at elastauth. The nonce is read from the token, because the provider's response need not
 * contain it (RFC 7662, section 2.2). The signature does not matter: a token whose nonce was changed is not valid.
 */
export function rejectOwnIdToken(token: string, isOwnNonce: IsOwnNonce): void {
  if (isOwnNonce(nonceOf(token))) throw ownIdToken()
}

/** @returns undefined if the token is not a JSON Web Token */
function nonceOf(token: string): unknown {
  try {
    return decodeJwt(token).nonce
  } catch {
    return undefined
  }
}

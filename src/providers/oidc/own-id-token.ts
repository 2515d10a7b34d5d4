import { decodeJwt } from 'jose'
import type { CheckToken } from './check-token.ts'
import { ownIdToken } from './invalid-token.ts'

/**
 * Rejects the ID tokens of logins at elastauth before `checkToken` asks the provider, whose response need not contain the nonce
 * (RFC 7662, section 2.2). The signature does not matter: the provider rejects a token whose nonce was changed.
 * @param isOwnNonce undefined if there are no logins
 */
export function rejectOwnIdTokens(
  checkToken: CheckToken,
  isOwnNonce: ((nonce: unknown) => boolean) | undefined,
): CheckToken {
  if (isOwnNonce === undefined) return checkToken
  return async function checkForeignToken(token, fromUserinfo) {
    if (isOwnNonce(nonceOf(token))) throw ownIdToken()
    return checkToken(token, fromUserinfo)
  }
}

/** Undefined for a token that is no JSON Web Token. */
function nonceOf(token: string): unknown {
  try {
    return decodeJwt(token).nonce
  } catch {
    return undefined
  }
}

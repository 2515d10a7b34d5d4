import { fetchUserInfo, skipSubjectCheck } from 'openid-client'
import type { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'
import type { Issuer } from './issuer.ts'
import { asProviderError, isHtmlResponse, statusOf } from './provider-error.ts'

/**
 * Returns the userinfo endpoint's claims about an access token's user (OpenID Connect Core, section 5.3).
 * @param subject the expected subject, if known. A response about another subject is rejected, because a user could get
 * another user's groups (section 5.3.2)
 */
export type FetchUserinfo = (token: string, subject: string | undefined) => Promise<Claims>

/** `fetchUserinfo` rejects with GatewayError token_invalid, provider_unavailable. */
export function createFetchUserinfo({ configuration }: Pick<Issuer, 'configuration'>): FetchUserinfo {
  return async function fetchUserinfo(token, subject) {
    const provider = await configuration()
    try {
      return await fetchUserInfo(provider, token, subject ?? skipSubjectCheck)
    } catch (error) {
      throw toGatewayError(error)
    }
  }
}

function toGatewayError(error: unknown): GatewayError {
  const status = statusOf(error)
  // An HTML page does not reject the token: it comes from a proxy or firewall, not from the endpoint.
  if ((status === 400 || status === 401 || status === 403) && !isHtmlResponse(error))
    return invalidToken(`the provider's userinfo endpoint responded with ${status}`)
  if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
    return invalidToken('the userinfo response is about another subject')
  if (hasInvalidSubject(error)) return invalidToken('the userinfo response has no valid subject (sub)')
  return asProviderError(error, 'userinfo')
}

/**
 * Whether openid-client rejected a JSON object whose `sub` is empty or not a string. It rejects a response without
 * `sub` with the same error, but such a response does not come from a userinfo endpoint.
 */
function hasInvalidSubject(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { cause?: { body?: unknown } } }
  const body = cause?.cause?.body
  return code === 'OAUTH_INVALID_RESPONSE' && typeof body === 'object' && body !== null && Object.hasOwn(body, 'sub')
}

import { fetchUserInfo, skipSubjectCheck } from 'openid-client'
import type { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'
import type { Issuer } from './issuer.ts'
import { asProviderError, isHtmlResponse, statusOf } from './provider-error.ts'

/**
 * What the provider says about an access token’s user (OpenID Connect Core, 5.3).
 * @param subject whose claims it must be, where that is known: another’s would be somebody else’s groups (5.3.2)
 */
export type FetchUserinfo = (token: string, subject: string | undefined) => Promise<Claims>

/** `askUserinfo` rejects with GatewayError token_invalid, provider_unavailable. */
export function createFetchUserinfo({ configuration }: Pick<Issuer, 'configuration'>): FetchUserinfo {
  return async function askUserinfo(token, subject) {
    const known = await configuration()
    try {
      return await fetchUserInfo(known, token, subject ?? skipSubjectCheck)
    } catch (error) {
      throw refusalOf(error)
    }
  }
}

function refusalOf(error: unknown): GatewayError {
  const status = statusOf(error)
  // An HTML page does not come from the endpoint but from a proxy or firewall, and does not concern the token.
  if ((status === 400 || status === 401 || status === 403) && !isHtmlResponse(error))
    return invalidToken(`the provider’s userinfo endpoint answered ${status}`)
  if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
    return invalidToken('the userinfo endpoint speaks of another subject')
  if (hasInvalidSubject(error)) return invalidToken('the userinfo response has no valid subject (sub)')
  return asProviderError(error, 'userinfo')
}

/**
 * A JSON object whose `sub` is empty or not a string. openid-client rejects it like a response that is not an object or has no
 * `sub`: those do not come from a userinfo endpoint.
 */
function hasInvalidSubject(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { cause?: { body?: unknown } } }
  const body = cause?.cause?.body
  return code === 'OAUTH_INVALID_RESPONSE' && typeof body === 'object' && body !== null && Object.hasOwn(body, 'sub')
}

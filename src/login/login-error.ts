import { AuthorizationResponseError, ResponseBodyError } from 'openid-client'
import { type ErrorCode, GatewayError } from '../http/errors.ts'

/** The user or a policy of the provider denied the login (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6). */
const denials = [
  'access_denied',
  'consent_required',
  'interaction_required',
  'login_required',
  'account_selection_required',
]
const outages = ['server_error', 'temporarily_unavailable']
/**
 * What is wrong with elastauth's configuration, or with its registration at the provider (RFC 6749, sections 4.1.2.1 and
 * 5.2): the key to check, by the provider's error code.
 */
const misconfigurations: Readonly<Record<string, string>> = {
  invalid_client: 'check oidc.client_id, oidc.client_secret and oidc.client_auth_method',
  unauthorized_client: 'allow this client the authorization code flow at the provider',
  unsupported_grant_type: 'allow this client the authorization code flow at the provider',
  unsupported_response_type: 'allow this client the authorization code flow at the provider',
  invalid_scope: 'remove the scopes that the provider does not offer this client from oidc.scopes',
  invalid_request: 'check oidc.authorization_parameters, oidc.use_pkce and the redirect URI at the provider',
}

/** The codes of oauth4webapi for responses that were forged, replayed, or meant for another login. */
const invalidResponses = [
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
]

/**
 * Converts what openid-client threw during a login or a refresh to GatewayError login_denied, login_failed or
 * provider_unavailable. Copies only codes and messages, because the error objects contain responses with possible tokens.
 */
export function toLoginError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  if (thrown instanceof AuthorizationResponseError)
    return new GatewayError(codeOf(thrown.error), `the provider rejected the login: ${describe(thrown.error)}`)
  if (thrown instanceof ResponseBodyError) {
    const detail = `the token endpoint of the provider responded ${thrown.status} ${describe(thrown.error)}`
    return new GatewayError(tokenErrorCode(thrown.error), detail)
  }
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) if (cause instanceof GatewayError) return cause
  const { message, code, cause } = thrown as { message?: unknown; code?: unknown; cause?: { cause?: ClaimFault } }
  const isInvalid = typeof code === 'string' && invalidResponses.includes(code)
  return new GatewayError(
    isInvalid ? 'login_failed' : 'provider_unavailable',
    `cannot use the provider's response to a login: ${describeClaim(cause?.cause) ?? message} (${code})`,
  )
}

/** The reason why openid-client rejected a claim of the ID token. */
type ClaimFault = Readonly<{
  claim?: unknown
  claims?: Readonly<Record<string, unknown>>
  now?: unknown
  expected?: unknown
}>

function describeClaim({ claim, claims, now, expected }: ClaimFault = {}): string | undefined {
  const found = claims?.[String(claim)]
  if (claim === 'iss' && typeof found === 'string') {
    const quoted = JSON.stringify(found).slice(0, 200)
    return `the issuer of the ID token is ${quoted}, oidc.issuer is ${JSON.stringify(expected)}: if both are the same provider, write issuer: ${quoted} below oidc`
  }
  if (typeof now !== 'number' || typeof found !== 'number') return undefined
  const seconds = Math.round(found - now)
  const offset = seconds < 0 ? `${-seconds} s ago` : `in ${seconds} s`
  return `the ${claim} of the new ID token is ${offset} by this machine's clock: synchronize the clocks of this machine and the provider`
}

function codeOf(authorizationError: string): ErrorCode {
  if (denials.includes(authorizationError)) return 'login_denied'
  if (Object.hasOwn(misconfigurations, authorizationError)) return 'provider_rejected'
  return outages.includes(authorizationError) ? 'provider_unavailable' : 'login_failed'
}

function tokenErrorCode(error: string): ErrorCode {
  if (error === 'invalid_grant') return 'login_failed'
  return Object.hasOwn(misconfigurations, error) ? 'provider_rejected' : 'provider_unavailable'
}

/** The provider's error code, with the key to check. */
function describe(error: string): string {
  return Object.hasOwn(misconfigurations, error) ? `${error}: ${misconfigurations[error]}` : sanitize(error)
}

/** Only valid error codes are logged, because anyone can put any text into the URL of a callback. */
function sanitize(error: string): string {
  return /^[\w.-]{1,64}$/.test(error) ? error : 'an error code that is not valid'
}

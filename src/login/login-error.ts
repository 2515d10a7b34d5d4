import { AuthorizationResponseError, ResponseBodyError } from 'openid-client'
import { type ErrorCode, GatewayError } from '../http/errors.ts'

/** What a person, or the provider's rules for people, decided against (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6). */
const denials = [
  'access_denied',
  'consent_required',
  'interaction_required',
  'login_required',
  'account_selection_required',
]
const outages = ['server_error', 'temporarily_unavailable']

/** Faults of the answer itself: somebody has tampered with it, or sends it again. The codes are oauth4webapi's. */
const faultyAnswers = [
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
]

/**
 * What openid-client threw during a login or a refresh, as GatewayError login_denied, login_failed or provider_unavailable.
 * Only codes and messages go into it: the objects hold responses, and so perhaps tokens.
 */
export function toLoginError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  if (thrown instanceof AuthorizationResponseError)
    return error(codeOfAnswer(thrown.error), `the provider answered ${word(thrown.error)}`)
  if (thrown instanceof ResponseBodyError) {
    const code = thrown.error === 'invalid_grant' ? 'login_failed' : 'provider_unavailable'
    return error(code, `the provider’s token endpoint answered ${thrown.status} ${word(thrown.error)}`)
  }
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) if (cause instanceof GatewayError) return cause
  const { message, code } = thrown as { message?: unknown; code?: unknown }
  const isFaulty = typeof code === 'string' && faultyAnswers.includes(code)
  return error(
    isFaulty ? 'login_failed' : 'provider_unavailable',
    `the provider’s answer to a login: ${message} (${code})`,
  )
}

function codeOfAnswer(answer: string): ErrorCode {
  if (denials.includes(answer)) return 'login_denied'
  return outages.includes(answer) ? 'provider_unavailable' : 'login_failed'
}

/** Anybody can write into an address: only what may be an error's name is logged. */
function word(text: string): string {
  return /^[\w.-]{1,64}$/.test(text) ? text : 'an error without a proper name'
}

function error(code: ErrorCode, detail: string): GatewayError {
  return new GatewayError(code, detail)
}

import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { clockAdvice, describeTime, invalidToken } from './invalid-token.ts'

export type VerifyLogoutTokenOptions = Readonly<{
  issuer: () => Promise<string>
  clientId: string
  algorithms: readonly string[]
  getKey: JWTVerifyGetKey
  now: () => number
}>

/**
 * Rejects with GatewayError token_invalid or provider_unavailable. The caller has to prevent replay by rejecting a
 * `jti` that was used before.
 */
export type VerifyLogoutToken = (token: string) => Promise<Claims>

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/** The maximum age of a logout token. Some providers omit `exp`, but all send the token at the time of the logout. */
const maxTokenAgeSeconds = 300
const clockToleranceSeconds = 30

/** Validates a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). */
export function createVerifyLogoutToken(options: VerifyLogoutTokenOptions): VerifyLogoutToken {
  const { issuer, clientId, algorithms, getKey, now } = options

  return async function verifyLogoutToken(token) {
    const { payload, protectedHeader } = await verify(token)
    if (!isLogoutTokenType(protectedHeader.typ)) throw invalidToken('its type is not logout+jwt')
    const { events } = payload
    if (typeof events !== 'object' || events === null || !Object.hasOwn(events, logoutEvent))
      throw invalidToken('it has no back-channel logout event')
    if (payload.nonce !== undefined) throw invalidToken('it has a nonce: it is an ID token, not a logout token')
    if (typeof payload.sub !== 'string' && typeof payload.sid !== 'string')
      throw invalidToken('it has neither a subject (sub) nor a session (sid)')
    return payload
  }

  async function verify(token: string) {
    const issuerName = await issuer()
    try {
      return await jwtVerify(token, getKey, {
        issuer: issuerName,
        audience: clientId,
        algorithms: [...algorithms],
        requiredClaims: ['jti', 'events'],
        maxTokenAge: maxTokenAgeSeconds,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now()),
      })
    } catch (error) {
      if (error instanceof GatewayError) throw error
      throw invalidToken(timeFaultOf(error, now()) ?? 'it is not a logout token from the provider for this client')
    }
  }
}

/** For a token whose `iat`, `nbf` or `exp` does not fit the clock. */
function timeFaultOf(error: unknown, nowMs: number): string | undefined {
  if (!(error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed)) return undefined
  const { claim, payload } = error
  const time = payload[claim]
  return ['iat', 'nbf', 'exp'].includes(claim) && typeof time === 'number'
    ? `${describeTime(claim, time, nowMs)}: ${clockAdvice}`
    : undefined
}

/** Providers that are older than the type `logout+jwt` send `JWT`, or no type. `application/` may be omitted (RFC 7515, section 4.1.9). */
export function isLogoutTokenType(typ: unknown): boolean {
  if (typ === undefined || typ === null) return true
  return typeof typ === 'string' && logoutTokenTypes.includes(typ.toLowerCase())
}

const logoutTokenTypes = ['jwt', 'logout+jwt', 'application/jwt', 'application/logout+jwt']

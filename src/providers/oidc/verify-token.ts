import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, type ProtectedHeaderParameters } from 'jose'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'

export type VerifyTokenOptions = Readonly<{
  issuer: () => Promise<string>
  /** Each of these may be named in `aud`. */
  audiences: readonly string[]
  algorithms: readonly string[]
  getKey: JWTVerifyGetKey
  /** Whether an ID token with this nonce is of a login with us; absent where nobody logs in with us. */
  isOwnNonce?: ((nonce: unknown) => boolean) | undefined
  now: () => number
}>

/** A token’s claims, and the end of its time in milliseconds since 1970. */
export type VerifiedToken = Readonly<{
  claims: Claims
  expiresAtMs: number
  /** The names of its claims that the userinfo endpoint also returned, if it was asked. */
  fromUserinfo?: readonly string[] | undefined
}>

/** How far the provider’s clock may be ahead of ours, in seconds. */
const clockTolerance = 30

/** What the header’s `typ` may be: nothing, a JWT, an access token (RFC 9068, 2.1). Not a logout token, not a proof. */
const types = new Set(['jwt', 'application/jwt', 'at+jwt', 'application/at+jwt'])

/**
 * Checks a JSON Web Token by the provider’s keys (RFC 7519, 7.2; RFC 8725): algorithm, signature, issuer, audience,
 * time and kind. ID tokens and access tokens are both taken: what counts is that they are for us.
 * Rejects with GatewayError token_invalid, token_expired, provider_unavailable.
 */
export function createVerifyToken(options: VerifyTokenOptions) {
  const { issuer, audiences, algorithms, getKey, isOwnNonce = () => false, now } = options

  return async function verifyToken(token: string): Promise<VerifiedToken> {
    const { payload, protectedHeader } = await verify(token)
    checkKind(payload, protectedHeader)
    if (isOwnNonce(payload.nonce))
      throw invalidToken('it is the ID token of a login with us, in whose place there is a session')
    const expiresAtMs = payload.exp! * 1000
    // No tolerance here: a token is used to its end, and not beyond.
    if (expiresAtMs <= now()) throw expired()
    return { claims: payload, expiresAtMs }
  }

  async function verify(token: string) {
    const issuerName = await issuer()
    try {
      return await jwtVerify(token, getKey, {
        issuer: issuerName,
        audience: [...audiences],
        algorithms: [...algorithms],
        requiredClaims: ['exp'],
        clockTolerance,
        currentDate: new Date(now()),
      })
    } catch (error) {
      throw refusalOf(error)
    }
  }
}

function checkKind(payload: JWTPayload, header: ProtectedHeaderParameters): void {
  const typ: unknown = header.typ
  if (typ !== undefined && !(typeof typ === 'string' && types.has(typ.toLowerCase())))
    throw invalidToken('its type is neither JWT nor at+jwt')
  if (payload.events !== undefined) throw invalidToken('it is a logout token, or another security event')
  if (payload.cnf !== undefined) throw invalidToken('it is bound to a key of its holder (cnf), which we cannot ask for')
}

/** jose’s own words name the rule, and nothing of the token but an audience or issuer that its signature vouches for. */
function refusalOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.JWTExpired) return expired()
  if (error instanceof errors.JWTClaimValidationFailed && (error.claim === 'aud' || error.claim === 'iss')) {
    const found = JSON.stringify(error.payload[error.claim])?.slice(0, 200) ?? 'nobody'
    return error.claim === 'iss'
      ? invalidToken(`it is from ${found}, which is not the issuer’s own spelling (oidc.issuer)`)
      : invalidToken(`it is meant for ${found}, not for oidc.client_id or one of oidc.audiences`)
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) return invalidToken('it names no key, and there are several')
  if (error instanceof errors.JWKSNoMatchingKey) return invalidToken('the provider has no such key')
  return invalidToken(error instanceof errors.JOSEError ? error.message : 'its key cannot be used')
}

function expired(): GatewayError {
  return new GatewayError('token_expired', 'the token has expired')
}

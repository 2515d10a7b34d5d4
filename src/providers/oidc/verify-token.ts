import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, type ProtectedHeaderParameters } from 'jose'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'

export type VerifyTokenOptions = Readonly<{
  issuer: () => Promise<string>
  /** A token is accepted if its `aud` contains one of these. */
  audiences: readonly string[]
  algorithms: readonly string[]
  getKey: JWTVerifyGetKey
  /** Whether elastauth created this nonce for a login; undefined if login is not enabled. */
  isOwnNonce?: ((nonce: unknown) => boolean) | undefined
  now: () => number
}>

/** A verified token. `expiresAtMs` is in milliseconds since 1970. */
export type VerifiedToken = Readonly<{
  claims: Claims
  expiresAtMs: number
  /** The names of the token's claims that the userinfo endpoint also returned, if that endpoint was called. */
  fromUserinfo?: readonly string[] | undefined
}>

/** How far the provider's clock may be ahead of elastauth's. */
const clockToleranceSeconds = 30

/** The accepted values of the header's `typ`: JWTs and access tokens (RFC 9068, section 2.1), but not logout tokens or DPoP proofs. */
const acceptedTypes = new Set(['jwt', 'application/jwt', 'at+jwt', 'application/at+jwt'])

/**
 * Verifies a JSON Web Token with the provider's keys (RFC 7519, section 7.2; RFC 8725): algorithm, signature, issuer,
 * audience, times and type. ID tokens and access tokens with an accepted audience are accepted. Rejects with
 * GatewayError token_invalid, token_expired or provider_unavailable.
 */
export function createVerifyToken(options: VerifyTokenOptions) {
  const { issuer, audiences, algorithms, getKey, isOwnNonce = () => false, now } = options

  return async function verifyToken(token: string): Promise<VerifiedToken> {
    const { payload, protectedHeader } = await verify(token)
    checkType(payload, protectedHeader)
    if (isOwnNonce(payload.nonce))
      throw invalidToken('it is the ID token of a login at elastauth, which counts only as a session')
    const expiresAtMs = payload.exp! * 1000
    // Checked again without clock tolerance, because jose also extends the token's expiry by the tolerance.
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
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now()),
      })
    } catch (error) {
      throw toGatewayError(error)
    }
  }
}

function checkType(payload: JWTPayload, header: ProtectedHeaderParameters): void {
  const typ: unknown = header.typ
  if (typ !== undefined && !(typeof typ === 'string' && acceptedTypes.has(typ.toLowerCase())))
    throw invalidToken('its type is neither JWT nor at+jwt')
  if (payload.events !== undefined) throw invalidToken('it is a logout token, or another security event')
  if (payload.cnf !== undefined)
    throw invalidToken('it is bound to a key of the client (cnf), and elastauth cannot verify a proof of possession')
}

/**
 * jose's messages contain no part of the token, so they may be logged. The token's audience and issuer are quoted only
 * after its signature was verified.
 */
function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.JWTExpired) return expired()
  if (error instanceof errors.JWTClaimValidationFailed && (error.claim === 'aud' || error.claim === 'iss')) {
    const found = JSON.stringify(error.payload[error.claim])?.slice(0, 200) ?? 'missing'
    return error.claim === 'iss'
      ? invalidToken(`its issuer is ${found}, not that of the provider (oidc.issuer)`)
      : invalidToken(`its audience is ${found}, not oidc.client_id or one of oidc.audiences`)
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return invalidToken('it has no key ID (kid), and the provider has several keys')
  if (error instanceof errors.JWKSNoMatchingKey) return invalidToken('the provider has no such key')
  return invalidToken(error instanceof errors.JOSEError ? error.message : 'its key is not usable')
}

function expired(): GatewayError {
  return new GatewayError('token_expired', 'the token has expired')
}

import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, type ProtectedHeaderParameters } from 'jose'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { clockAdvice, describeTime, invalidToken } from './invalid-token.ts'

export type VerifyTokenOptions = Readonly<{
  issuer: () => Promise<string>
  /** A token is accepted if its `aud` contains one of these. */
  audiences: readonly string[]
  algorithms: readonly string[]
  getKey: JWTVerifyGetKey
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
  const { issuer, audiences, algorithms, getKey, now } = options

  return async function verifyToken(token: string): Promise<VerifiedToken> {
    const { payload, protectedHeader } = await verify(token)
    checkType(payload, protectedHeader)
    const expiresAtMs = payload.exp! * 1000
    // Checked again without clock tolerance, because jose also extends the token's expiry by the tolerance.
    if (expiresAtMs <= now()) throw expired(payload.exp, now())
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
      throw toGatewayError(error, issuerName, now())
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
function toGatewayError(error: unknown, issuer: string, nowMs: number): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.JWTExpired) return expired(error.payload.exp, nowMs)
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload } = error
    if (claim === 'iss') return invalidToken(describeIssuer(payload.iss, issuer))
    if (claim === 'aud') {
      const found = JSON.stringify(payload.aud)?.slice(0, 200) ?? 'missing'
      return invalidToken(`its audience is ${found}, not oidc.client_id or one of oidc.audiences`)
    }
    if (claim === 'nbf' && typeof payload.nbf === 'number')
      return invalidToken(`${describeTime('nbf', payload.nbf, nowMs)}: ${clockAdvice}`)
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return invalidToken('it has no key ID (kid), and the provider has several keys')
  if (error instanceof errors.JWKSNoMatchingKey) return invalidToken('the provider has no such key')
  return invalidToken(error instanceof errors.JOSEError ? error.message : 'its key is not usable')
}

function describeIssuer(found: unknown, issuer: string): string {
  if (typeof found !== 'string') return 'its issuer is missing'
  const quoted = JSON.stringify(found).slice(0, 200)
  return `its issuer is ${quoted}, oidc.issuer is ${JSON.stringify(issuer)}: if both are the same provider, write issuer: ${quoted} below oidc`
}

function expired(exp: number | undefined, nowMs: number): GatewayError {
  const reason = `the token has expired: ${describeTime('exp', exp ?? 0, nowMs)}; if the token is new, ${clockAdvice}`
  return new GatewayError('token_expired', reason)
}

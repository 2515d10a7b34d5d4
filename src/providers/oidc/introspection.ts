import { tokenIntrospection } from 'openid-client'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken, ownIdToken } from './invalid-token.ts'
import type { Issuer } from './issuer.ts'
import type { IsOwnNonce } from './own-id-token.ts'
import { asProviderError, statusOf } from './provider-error.ts'

export type IntrospectionOptions = Pick<Issuer, 'configuration' | 'metadata'> &
  Readonly<{
    audiences: readonly string[]
    /** Undefined if there are no logins at elastauth. */
    isOwnNonce?: IsOwnNonce | undefined
    now: () => number
  }>

/** Resolves to the claims that the provider returns for an active token (RFC 7662). */
export type Introspect = (token: string) => Promise<Claims>

const clockToleranceMs = 30_000

/** `introspect` rejects with GatewayError token_invalid, token_expired, provider_unavailable. */
export function createIntrospect(options: IntrospectionOptions): Introspect {
  const { configuration, metadata, audiences, isOwnNonce = () => false, now } = options
  return async function introspect(token) {
    const claims = await requestIntrospection(token, configuration)
    if (claims.active !== true) throw invalidToken('the provider says that it is not active')
    const { issuer } = await metadata()
    if (claims.iss !== undefined && claims.iss !== issuer) throw invalidToken('it is from another issuer')
    checkType(claims)
    if (isOwnNonce(claims.nonce)) throw ownIdToken()
    checkAudience(claims, audiences)
    checkTimes(claims, now())
    return claims
  }
}

async function requestIntrospection(token: string, configuration: Issuer['configuration']): Promise<Claims> {
  const provider = await configuration()
  try {
    return await tokenIntrospection(provider, token, { token_type_hint: 'access_token' })
  } catch (error) {
    if (statusOf(error) === 401)
      throw new GatewayError(
        'provider_unavailable',
        "the identity provider rejected elastauth's client credentials: check oidc.client_id and oidc.client_secret",
      )
    throw asProviderError(error, 'introspection')
  }
}

/**
 * Throws unless the token is a bearer access token. Refresh tokens can be active too, and sender-constrained tokens
 * require a proof of possession.
 */
function checkType({ token_use: use, typ, token_type: type = 'Bearer', cnf }: Claims): void {
  if ([use, typ].some((kind) => typeof kind === 'string' && /refresh/i.test(kind)))
    throw invalidToken('it is a refresh token')
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer' || cnf !== undefined)
    throw invalidToken('it is bound to a key')
}

/** Checks the audience if the provider sends one, otherwise the client to which the token was issued. */
function checkAudience({ aud, client_id }: Claims, audiences: readonly string[]): void {
  const audience = [aud ?? []].flat()
  const names = audience.length > 0 ? audience : [client_id]
  if (!names.some((name) => audiences.includes(name as string)))
    throw invalidToken(
      `its audience is ${JSON.stringify(names).slice(0, 200)}, not oidc.client_id or one of oidc.audiences`,
    )
}

function checkTimes({ exp, nbf }: Claims, now: number): void {
  if (secondsOf(exp, 'exp', Number.POSITIVE_INFINITY) * 1000 <= now)
    throw new GatewayError('token_expired', 'the token has expired')
  if (secondsOf(nbf, 'nbf', 0) * 1000 > now + clockToleranceMs) throw invalidToken('it is not valid yet')
}

/** @param absent the result for a claim that the provider did not send */
function secondsOf(claim: unknown, name: string, absent: number): number {
  if (claim === undefined || claim === null) return absent
  if (typeof claim === 'number') return claim
  throw invalidToken(`its ${name} is not a number`)
}

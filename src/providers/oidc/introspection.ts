import { tokenIntrospection } from 'openid-client'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'
import type { Issuer } from './issuer.ts'
import { asProviderError, statusOf } from './provider-error.ts'

export type IntrospectionOptions = Pick<Issuer, 'configuration' | 'metadata'> &
  Readonly<{
    audiences: readonly string[]
    now: () => number
  }>

/** Answers with what the provider knows of a token that works (RFC 7662). */
export type Introspect = (token: string) => Promise<Claims>

/** `introspect` rejects with GatewayError token_invalid, token_expired, provider_unavailable. */
export function createIntrospect({ configuration, metadata, audiences, now }: IntrospectionOptions): Introspect {
  return async function introspect(token) {
    const claims = await ask(token)
    if (claims.active !== true) throw invalidToken('the provider says that it is not active')
    const { issuer } = await metadata()
    if (claims.iss !== undefined && claims.iss !== issuer) throw invalidToken('it is another issuer’s')
    checkKind(claims)
    checkAudience(claims)
    checkTime(claims)
    return claims
  }

  async function ask(token: string): Promise<Claims> {
    const known = await configuration()
    try {
      return await tokenIntrospection(known, token, { token_type_hint: 'access_token' })
    } catch (error) {
      if (statusOf(error) === 401)
        throw new GatewayError('provider_unavailable', 'the identity provider refuses our client credentials')
      throw asProviderError(error, 'introspection')
    }
  }

  /** The audience where the provider says one, else the client that the token was given to. */
  function checkAudience({ aud, client_id }: Claims): void {
    const audience = [aud ?? []].flat()
    const named = audience.length > 0 ? audience : [client_id]
    if (!named.some((name) => audiences.includes(name as string)))
      throw invalidToken(
        `it is meant for ${JSON.stringify(named).slice(0, 200)}, not for us (oidc.client_id, audiences)`,
      )
  }

  function checkTime({ exp, nbf }: Claims): void {
    if (secondsOf(exp, 'exp', Number.POSITIVE_INFINITY) * 1000 <= now())
      throw new GatewayError('token_expired', 'the token has expired')
    if (secondsOf(nbf, 'nbf', 0) * 1000 > now() + 30_000) throw invalidToken('it is not valid yet')
  }
}

/** A time that is not a number cannot be checked. */
function secondsOf(claim: unknown, name: string, absent: number): number {
  if (claim === undefined || claim === null) return absent
  if (typeof claim === 'number') return claim
  throw invalidToken(`its ${name} is not a number`)
}

/** A refresh token is active too, but it is no access token; and one that is bound to a key needs a proof of it. */
function checkKind({ token_use: use, typ, token_type: type = 'Bearer', cnf }: Claims): void {
  if ([use, typ].some((kind) => typeof kind === 'string' && /refresh/i.test(kind)))
    throw invalidToken('it is a refresh token')
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer' || cnf !== undefined)
    throw invalidToken('it is bound to a key')
}

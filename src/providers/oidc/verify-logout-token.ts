import { type JWTVerifyGetKey, jwtVerify } from 'jose'
import { GatewayError } from '../../http/errors.ts'
import type { Claims } from './claims.ts'
import { invalidToken } from './invalid-token.ts'

export type VerifyLogoutTokenOptions = Readonly<{
  issuer: () => Promise<string>
  clientId: string
  algorithms: readonly string[]
  getKey: JWTVerifyGetKey
  now: () => number
}>

/** Rejects with GatewayError token_invalid, provider_unavailable. That its `jti` is new is for the caller to see. */
export type VerifyLogoutToken = (token: string) => Promise<Claims>

const event = 'http://schemas.openid.net/event/backchannel-logout'

/** In seconds. A token is sent when the logout happens; `exp` is not required of all providers. */
const oldest = 300
const clockTolerance = 30

/** Checks a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6). */
export function createVerifyLogoutToken(options: VerifyLogoutTokenOptions): VerifyLogoutToken {
  const { issuer, clientId, algorithms, getKey, now } = options

  return async function verifyLogoutToken(token) {
    const { payload, protectedHeader } = await verify(token)
    const typ: unknown = protectedHeader.typ ?? 'JWT'
    if (typeof typ !== 'string' || !/^(?:application\/)?(?:logout\+)?jwt$/i.test(typ))
      throw invalidToken('its type is not logout+jwt')
    const { events } = payload
    if (typeof events !== 'object' || events === null || !Object.hasOwn(events, event))
      throw invalidToken('it tells of no logout')
    if (payload.nonce !== undefined) throw invalidToken('it has a nonce: it is an ID token in a logout token’s place')
    if (typeof payload.sub !== 'string' && typeof payload.sid !== 'string')
      throw invalidToken('it names neither a subject nor a session')
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
        maxTokenAge: oldest,
        clockTolerance,
        currentDate: new Date(now()),
      })
    } catch (error) {
      if (error instanceof GatewayError) throw error
      throw invalidToken('it is not a logout token of the provider’s for us')
    }
  }
}

import type { IncomingMessage } from 'node:http'
import type { Services } from '../app/handlers.ts'
import type { OidcOptions } from '../app/options/oidc.ts'
import { type JsonObject, parseObject } from '../http/json-object.ts'
import { createToIdentity } from '../providers/oidc/claims.ts'
import { createFindToken, findCookie } from '../providers/oidc/find-token.ts'
import { tokenCookies } from '../providers/oidc/index.ts'
import { NotExplainable } from './explanation.ts'

/**
 * Reads tokens without verifying them, because the keys to verify them with are the provider's.
 * @param onToken called with the claims of each token
 */
export function createUnverifiedTokens(
  { tokens }: OidcOptions,
  onToken: (claims: Readonly<Record<string, unknown>>) => void,
): NonNullable<Services['oidc']> {
  const findBearerToken = createFindToken(tokens.tokenHeader, tokens.leavesServiceTokens)
  const toIdentity = createToIdentity({ ...tokens, provider: 'oidc' })

  function identify(token: string) {
    if (tokens.validation === 'userinfo' || tokens.validation === 'introspection')
      throw new NotExplainable(`oidc.token_validation is ${tokens.validation}, which asks the provider: add --connect`)
    const claims = readClaims(token)
    onToken(claims)
    return toIdentity(claims)
  }

  return {
    findToken(request: IncomingMessage) {
      const found = findBearerToken(request)
      return found && { identity: identify(found.token), isAmbient: found.isAmbient }
    },
    findCookieToken(request: IncomingMessage) {
      const token = tokenCookies.map((name) => findCookie(request, name)).find((found) => found !== undefined)
      return token === undefined ? undefined : identify(token)
    },
  }
}

function readClaims(token: string): JsonObject {
  const [, payload = ''] = token.split('.')
  const claims = parseObject(Buffer.from(payload, 'base64url').toString('utf8'))
  if (claims !== undefined) return claims
  throw new NotExplainable('the token is not a JSON Web Token, so only the provider can read it: add --connect')
}

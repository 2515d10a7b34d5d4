import type { IncomingMessage } from 'node:http'
import { readCookie } from '../../http/cookies.ts'
import { GatewayError } from '../../http/errors.ts'
import { singleValueOf } from '../../http/headers.ts'
import { invalidToken } from './invalid-token.ts'

type RawRequest = Pick<IncomingMessage, 'rawHeaders'>

/** The maximum number of characters in a token. A token of Entra ID with 200 groups has about 10,000. */
const maxTokenLength = 16_384

/** The characters of a bearer token (RFC 6750, section 2.1). */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/
const bearerPattern = /^bearer(?: +|$)/i
/** The tokens of Elasticsearch's service accounts (providers/elasticsearch/client-credential.ts). */
const serviceTokenPattern = /^\w+ +AAEAAW/

/** `isAmbient`: see `RequestIdentity`. */
export type FoundToken = Readonly<{ token: string; isAmbient: boolean }>

/**
 * Finds the token in `Authorization: Bearer` (RFC 6750, section 2.1), or in the configured header, with or without
 * `Bearer`. Other authentication schemes are ignored. `findToken` throws GatewayError token_invalid for a malformed
 * token, and identity_invalid for a duplicate header, because servers disagree on which value counts.
 * @param tokenHeader the header in which a proxy adds a token to every request, so that the token is ambient
 * @param leavesServiceTokens whether another provider accepts the tokens of Elasticsearch's service accounts
 */
export function createFindToken(tokenHeader: string | undefined, leavesServiceTokens = false) {
  const name = tokenHeader?.toLowerCase()
  const isAuthorization = name === 'authorization'
  const customName = isAuthorization ? undefined : name

  return function findToken({ rawHeaders }: RawRequest): FoundToken | undefined {
    const authorization = singleValueOf(rawHeaders, 'authorization', duplicateHeader)
    const custom = customName === undefined ? undefined : singleValueOf(rawHeaders, customName, duplicateHeader)
    if (authorization !== undefined && isOwnToken(authorization))
      return { token: checked(withoutScheme(authorization)), isAmbient: isAuthorization }
    return custom === undefined || custom === ''
      ? undefined
      : { token: checked(withoutScheme(custom)), isAmbient: true }
  }

  function isOwnToken(authorization: string): boolean {
    return bearerPattern.test(authorization) && !(leavesServiceTokens && serviceTokenPattern.test(authorization))
  }
}

/**
 * The token in the cookie with this name. Undefined for a malformed token, since another application may have set the
 * cookie, and for two cookies with this name (set for different paths or domains), since it is unclear which one is
 * meant.
 */
export function findCookie({ headers }: Pick<IncomingMessage, 'headers'>, name: string): string | undefined {
  const found = readCookie(headers.cookie, name)
  return found !== undefined && found.length <= maxTokenLength && tokenPattern.test(found) ? found : undefined
}

function duplicateHeader(): GatewayError {
  return new GatewayError('identity_invalid', 'duplicate header that contains a token')
}

function withoutScheme(value: string): string {
  return value.replace(bearerPattern, '')
}

function checked(token: string): string {
  if (token.length > maxTokenLength) throw invalidToken(`it is longer than ${maxTokenLength} characters`)
  if (!tokenPattern.test(token)) throw invalidToken('it is not a bearer token')
  return token
}

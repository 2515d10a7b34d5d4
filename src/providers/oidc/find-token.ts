import type { IncomingMessage } from 'node:http'
import { readCookie } from '../../http/cookies.ts'
import { GatewayError } from '../../http/errors.ts'
import { singleValueOf, valuesOf } from '../../http/headers.ts'
import { invalidToken } from './invalid-token.ts'

type Raw = Pick<IncomingMessage, 'rawHeaders'>

/** In characters. Entra ID’s tokens with 200 groups have some 10,000. */
const longestToken = 16_384

/** What a bearer token may consist of (RFC 6750, 2.1). */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/
const bearerPattern = /^bearer(?: +|$)/i

/**
 * The token of `Authorization: Bearer` (RFC 6750, 2.1), or of a header of one’s choice, there with or without `Bearer`.
 * Another scheme is nothing of ours. `findToken` throws GatewayError token_invalid for what is no token, and
 * identity_invalid for a header that comes twice: Node would keep one of them, and others the other.
 */
export function createFindToken(tokenHeader: string | undefined) {
  const own = tokenHeader?.toLowerCase()

  return function findToken({ rawHeaders }: Raw): string | undefined {
    const authorization = singleValueOf(rawHeaders, 'authorization', doubled)
    const other = own === undefined ? undefined : singleValueOf(rawHeaders, own, doubled)
    if (authorization !== undefined && bearerPattern.test(authorization)) return checked(withoutScheme(authorization))
    return other === undefined || other === '' ? undefined : checked(withoutScheme(other))
  }
}

/** The token of a cookie by that name, which perhaps somebody else set for a purpose of their own: never an error. */
export function findCookie({ rawHeaders }: Raw, name: string): string | undefined {
  const found = readCookie(valuesOf(rawHeaders, 'cookie').join('; '), name) // RFC 9113, section 8.2.3
  return found !== undefined && found.length <= longestToken && tokenPattern.test(found) ? found : undefined
}

function doubled(): GatewayError {
  return new GatewayError('identity_invalid', 'a header that carries a token comes twice')
}

function withoutScheme(value: string): string {
  return value.replace(bearerPattern, '')
}

function checked(token: string): string {
  if (token.length > longestToken) throw invalidToken(`it is longer than ${longestToken} characters`)
  if (!tokenPattern.test(token)) throw invalidToken('it is no bearer token')
  return token
}

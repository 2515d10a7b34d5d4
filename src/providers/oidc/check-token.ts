import { type Claims, findClaim } from './claims.ts'
import type { CombineClaims } from './combine-claims.ts'
import type { Introspect } from './introspection.ts'
import { invalidToken } from './invalid-token.ts'
import { type IsOwnNonce, rejectOwnIdToken } from './own-id-token.ts'
import type { FetchUserinfo } from './userinfo.ts'
import type { VerifiedToken } from './verify-token.ts'

/**
 * How tokens are validated: by signature, by the userinfo endpoint, by both of these, or by introspection (RFC 7662).
 */
export type TokenValidation = 'jwks' | 'userinfo' | 'both' | 'introspection'

export type CheckTokenOptions = Readonly<{
  validation: TokenValidation
  verifyToken: (token: string) => Promise<VerifiedToken>
  fetchUserinfo: FetchUserinfo
  introspect: Introspect
  combineClaims: CombineClaims
  /** Undefined if there are no logins at elastauth. */
  isOwnNonce?: IsOwnNonce | undefined
  /** Whether the provider has a userinfo endpoint, which can supply claims that introspection omits. */
  hasUserinfoEndpoint: () => Promise<boolean>
  /** Paths of the required claims. If introspection omits one, the userinfo endpoint is called too. */
  requiredClaims: readonly string[]
  /** How long a response of the provider may be used before the token is checked again. */
  ttlMs: number
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

/**
 * @param fromUserinfo the names of the token's claims that userinfo also returned in the previous check. If userinfo no
 * longer returns such a claim, the value in the token is outdated and must not be used
 */
export type CheckToken = (token: string, fromUserinfo?: readonly string[]) => Promise<CheckedToken>

/**
 * `recheckAtMs` is the time of the monotonic clock at which to ask the provider again. It is absent if the token's
 * signature is sufficient.
 */
export type CheckedToken = VerifiedToken & Readonly<{ recheckAtMs?: number }>

/**
 * Creates a function that returns a valid token's claims and how long they are valid. It rejects with the errors of the
 * functions in `options`.
 */
export function createCheckToken(options: CheckTokenOptions): CheckToken {
  const { isOwnNonce } = options
  const checkToken = createValidation(options)
  if (isOwnNonce === undefined) return checkToken
  return async function checkForeignToken(token, fromUserinfo) {
    rejectOwnIdToken(token, isOwnNonce)
    return checkToken(token, fromUserinfo)
  }
}

function createValidation(options: CheckTokenOptions): CheckToken {
  switch (options.validation) {
    case 'jwks':
      return (token) => options.verifyToken(token)
    case 'userinfo':
      return (token) => checkByUserinfo(token, options)
    case 'both':
      return (token, fromUserinfo) => checkBySignatureAndUserinfo(token, fromUserinfo, options)
    case 'introspection':
      return (token) => checkByIntrospection(token, options)
  }
}

async function checkByUserinfo(token: string, options: CheckTokenOptions): Promise<CheckedToken> {
  const claims = await options.fetchUserinfo(token, undefined)
  return { claims, expiresAtMs: Number.POSITIVE_INFINITY, recheckAtMs: recheckTime(options) }
}

async function checkBySignatureAndUserinfo(
  token: string,
  previous: readonly string[] | undefined,
  options: CheckTokenOptions,
): Promise<CheckedToken> {
  const { verifyToken, fetchUserinfo, combineClaims } = options
  const { claims: idToken, expiresAtMs } = await verifyToken(token)
  const userinfo = await fetchUserinfo(token, subjectOf(idToken))
  const { claims } =
    previous === undefined
      ? combineClaims({ idToken, userinfo })
      : combineClaims({ userinfo }, { claims: idToken, fromUserinfo: previous })
  const isFromUserinfo = (name: string) => Object.hasOwn(userinfo, name) || previous?.includes(name)
  const fromUserinfo = Object.keys(idToken).filter(isFromUserinfo)
  return { claims, fromUserinfo, expiresAtMs, recheckAtMs: recheckTime(options) }
}

async function checkByIntrospection(token: string, options: CheckTokenOptions): Promise<CheckedToken> {
  const { introspect, fetchUserinfo, combineClaims, hasUserinfoEndpoint, requiredClaims } = options
  const claims = await introspect(token)
  const expiresAtMs = typeof claims.exp === 'number' ? claims.exp * 1000 : Number.POSITIVE_INFINITY
  const recheckAtMs = recheckTime(options)
  const isComplete = requiredClaims.every((path) => findClaim(claims, path) !== undefined)
  if (isComplete || !(await hasUserinfoEndpoint())) return { claims, expiresAtMs, recheckAtMs }
  const userinfo = await fetchUserinfo(token, subjectOf(claims))
  return { claims: combineClaims({ idToken: claims, userinfo }).claims, expiresAtMs, recheckAtMs }
}

function recheckTime({ monotonicNow, ttlMs }: CheckTokenOptions): number {
  return monotonicNow() + ttlMs
}

function subjectOf({ sub }: Claims): string {
  if (typeof sub === 'string' && sub !== '') return sub
  throw invalidToken('it has no subject (sub)')
}

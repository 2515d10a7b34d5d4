import { type Claims, findClaim } from './claims.ts'
import type { CombineClaims } from './combine-claims.ts'
import type { Introspect } from './introspection.ts'
import { invalidToken } from './invalid-token.ts'
import type { FetchUserinfo } from './userinfo.ts'
import type { VerifiedToken } from './verify-token.ts'

/** How tokens are validated: by signature, the userinfo endpoint, both (neither is enough alone), or introspection (RFC 7662). */
export type TokenValidation = 'jwks' | 'userinfo' | 'both' | 'introspection'

export type CheckTokenOptions = Readonly<{
  validation: TokenValidation
  verifyToken: (token: string) => Promise<VerifiedToken>
  fetchUserinfo: FetchUserinfo
  introspect: Introspect
  combineClaims: CombineClaims
  /** Whether the provider has a userinfo endpoint, for claims that introspection omits. */
  hasUserinfoEndpoint: () => Promise<boolean>
  /** Paths of the claims without which introspection is followed by a call to userinfo. */
  requiredClaims: readonly string[]
  /** For how long a response of the provider is valid. */
  ttlMs: number
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

/**
 * @param fromUserinfo the names of the token's claims that userinfo also returned in the previous check: the token itself never
 * changes, and must not restore claims that userinfo no longer returns
 */
export type CheckToken = (token: string, fromUserinfo?: readonly string[]) => Promise<CheckedToken>

/** `recheckAtMs`: when to ask the provider again, by the monotonic clock; absent if the token's signature is sufficient. */
export type CheckedToken = VerifiedToken & Readonly<{ recheckAtMs?: number }>

/** The claims of a valid token, and for how long they are valid. Rejects with GatewayError: see the functions in the options. */
export function createCheckToken(options: CheckTokenOptions): CheckToken {
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

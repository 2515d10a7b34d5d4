import { type Claims, findClaim } from './claims.ts'
import type { CombineClaims } from './combine-claims.ts'
import type { Introspect } from './introspection.ts'
import { invalidToken } from './invalid-token.ts'
import type { FetchUserinfo } from './userinfo.ts'
import type { VerifiedToken } from './verify-token.ts'

/** Who vouches for a token: its signature, the userinfo endpoint, both (never one for the other), or introspection. */
export type TokenValidation = 'jwks' | 'userinfo' | 'both' | 'introspection'

export type CheckTokenOptions = Readonly<{
  validation: TokenValidation
  verifyToken: (token: string) => Promise<VerifiedToken>
  fetchUserinfo: FetchUserinfo
  introspect: Introspect
  combineClaims: CombineClaims
  /** Whether there is a userinfo endpoint to ask for what introspection leaves out. */
  hasUserinfoEndpoint: () => Promise<boolean>
  /** The claims that somebody will look for. */
  requiredClaims: readonly string[]
  /** How long the provider’s answers are believed, in milliseconds. */
  ttlMs: number
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

/**
 * @param fromUserinfo the names of the token's claims that userinfo also returned in the previous check: the token itself never
 * changes, and must not restore claims that userinfo no longer returns
 */
export type CheckToken = (token: string, fromUserinfo?: readonly string[]) => Promise<CheckedToken>

/** `checkAt`: when to ask the provider again, by the monotonic clock; absent if the token's signature is sufficient. */
export type CheckedToken = VerifiedToken & Readonly<{ recheckAtMs?: number }>

/** The claims of a good token, and for how long they hold. Rejects with GatewayError: see the parts. */
export function createCheckToken(options: CheckTokenOptions): CheckToken {
  const {
    validation,
    verifyToken,
    fetchUserinfo,
    introspect,
    combineClaims,
    hasUserinfoEndpoint,
    requiredClaims,
    ttlMs,
    monotonicNow,
  } = options
  const never = Number.POSITIVE_INFINITY

  const ways: Readonly<Record<TokenValidation, CheckToken>> = {
    jwks: (token) => verifyToken(token),
    userinfo: async (token) => ({
      claims: await fetchUserinfo(token, undefined),
      expiresAtMs: never,
      recheckAtMs: monotonicNow() + ttlMs,
    }),
    async both(token, before) {
      const { claims: idToken, expiresAtMs } = await verifyToken(token)
      const userinfo = await fetchUserinfo(token, subjectOf(idToken))
      const { claims } =
        before === undefined
          ? combineClaims({ idToken, userinfo })
          : combineClaims({ userinfo }, { claims: idToken, fromUserinfo: before })
      const isFromUserinfo = (name: string) => Object.hasOwn(userinfo, name) || before?.includes(name)
      const fromUserinfo = Object.keys(idToken).filter(isFromUserinfo)
      return { claims, fromUserinfo, expiresAtMs, recheckAtMs: monotonicNow() + ttlMs }
    },
    async introspection(token) {
      const claims = await introspect(token)
      const expiresAtMs = typeof claims.exp === 'number' ? claims.exp * 1000 : never
      const recheckAtMs = monotonicNow() + ttlMs
      const isWhole = requiredClaims.every((name) => findClaim(claims, name) !== undefined)
      if (isWhole || !(await hasUserinfoEndpoint())) return { claims, expiresAtMs, recheckAtMs }
      const userinfo = await fetchUserinfo(token, subjectOf(claims))
      return { claims: combineClaims({ idToken: claims, userinfo }).claims, expiresAtMs, recheckAtMs }
    },
  }
  return ways[validation]
}

function subjectOf({ sub }: Claims): string {
  if (typeof sub === 'string' && sub !== '') return sub
  throw invalidToken('it names no subject')
}

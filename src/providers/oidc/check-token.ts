import { type Claims, findClaim } from './claims.ts'
import type { CombineClaims } from './combine-claims.ts'
import type { Introspect } from './introspection.ts'
import { invalidToken } from './invalid-token.ts'
import type { FetchUserinfo } from './userinfo.ts'
import type { Verified } from './verify-token.ts'

/** Who vouches for a token: its signature, the userinfo endpoint, both (never one for the other), or introspection. */
export type TokenValidation = 'jwks' | 'userinfo' | 'both' | 'introspection'

export type CheckTokenOptions = Readonly<{
  validation: TokenValidation
  verifyToken: (token: string) => Promise<Verified>
  askUserinfo: FetchUserinfo
  introspect: Introspect
  combineClaims: CombineClaims
  /** Whether there is a userinfo endpoint to ask for what introspection leaves out. */
  hasUserinfo: () => Promise<boolean>
  /** The claims that somebody will look for. */
  wanted: readonly string[]
  /** How long the provider’s answers are believed, in milliseconds. */
  ttl: number
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

/**
 * @param fromUserinfo the names of the token's claims that userinfo also returned in the previous check: the token itself never
 * changes, and must not restore claims that userinfo no longer returns
 */
export type CheckToken = (token: string, fromUserinfo?: readonly string[]) => Promise<Checked>

/** `checkAt`: when to ask the provider again, by the monotonic clock; absent if the token's signature is sufficient. */
export type Checked = Verified & Readonly<{ checkAt?: number }>

/** The claims of a good token, and for how long they hold. Rejects with GatewayError: see the parts. */
export function createCheckToken(options: CheckTokenOptions): CheckToken {
  const { validation, verifyToken, askUserinfo, introspect, combineClaims, hasUserinfo, wanted, ttl, monotonicNow } =
    options
  const never = Number.POSITIVE_INFINITY

  const ways: Readonly<Record<TokenValidation, CheckToken>> = {
    jwks: (token) => verifyToken(token),
    userinfo: async (token) => ({
      claims: await askUserinfo(token, undefined),
      until: never,
      checkAt: monotonicNow() + ttl,
    }),
    async both(token, before) {
      const { claims: idToken, until } = await verifyToken(token)
      const userinfo = await askUserinfo(token, subjectOf(idToken))
      const { claims } =
        before === undefined
          ? combineClaims({ idToken, userinfo })
          : combineClaims({ userinfo }, { claims: idToken, fromUserinfo: before })
      const isFromUserinfo = (name: string) => Object.hasOwn(userinfo, name) || before?.includes(name)
      const fromUserinfo = Object.keys(idToken).filter(isFromUserinfo)
      return { claims, fromUserinfo, until, checkAt: monotonicNow() + ttl }
    },
    async introspection(token) {
      const claims = await introspect(token)
      const until = typeof claims.exp === 'number' ? claims.exp * 1000 : never
      const checkAt = monotonicNow() + ttl
      const isWhole = wanted.every((name) => findClaim(claims, name) !== undefined)
      if (isWhole || !(await hasUserinfo())) return { claims, until, checkAt }
      const userinfo = await askUserinfo(token, subjectOf(claims))
      return { claims: combineClaims({ idToken: claims, userinfo }).claims, until, checkAt }
    },
  }
  return ways[validation]
}

function subjectOf({ sub }: Claims): string {
  if (typeof sub === 'string' && sub !== '') return sub
  throw invalidToken('it names no subject')
}

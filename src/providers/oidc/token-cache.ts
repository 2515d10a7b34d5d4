import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { Identity } from '../../auth/identity.ts'
import { asGatewayError, type GatewayError } from '../../http/errors.ts'
import type { CheckToken } from './check-token.ts'
import type { ToIdentity } from './claims.ts'

export type TokenCacheOptions = Readonly<{
  checkToken: CheckToken
  toIdentity: ToIdentity
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

/** Token → identity. Throws, or rejects with, GatewayError. */
export type IdentifyToken = (token: string) => MaybePromise<Identity>

/** `expiresAtMs` by the wall clock, as in tokens; `recheckAtMs` by the monotonic one. */
type Good = Readonly<{
  identity: Identity
  expiresAtMs: number
  recheckAtMs: number
  size: number
  fromUserinfo?: readonly string[] | undefined
}>
type Bad = Readonly<{ error: GatewayError; recheckAtMs: number }>

/** So many tokens, and characters of their identities: an opaque token is short, whatever userinfo says of it. */
const remembered = { max: 100_000, maxSize: 64 * 1024 * 1024, sizeCalculation: ({ size }: Good) => size }

/** A client that does not notice would have its bad token checked with each request. In milliseconds. */
const badFor = 10_000
const badRemembered = 1000

/**
 * Tokens that were checked before, by their hash: whoever reads our memory finds none to use. A known token is answered
 * at once and by the same frozen identity, until its claims’ time is over. Who shows one that is just being checked
 * waits for that check.
 */
export function createTokenCache({ checkToken, toIdentity, now, monotonicNow }: TokenCacheOptions): IdentifyToken {
  const good = new LRUCache<string, Good>(remembered)
  const bad = new LRUCache<string, Bad>({ max: badRemembered })
  const checks = new Map<string, Promise<Identity>>()

  return function identifyToken(token) {
    const key = hash('sha256', token, 'base64')
    const known = good.get(key)
    if (known !== undefined && known.expiresAtMs > now() && known.recheckAtMs > monotonicNow()) return known.identity
    const refused = bad.get(key)
    if (refused !== undefined && refused.recheckAtMs > monotonicNow()) throw refused.error
    let check = checks.get(key)
    if (check === undefined) {
      check = identify(token, key).finally(() => checks.delete(key))
      checks.set(key, check)
    }
    return check
  }

  async function identify(token: string, key: string): Promise<Identity> {
    try {
      const {
        claims,
        expiresAtMs,
        recheckAtMs = Number.POSITIVE_INFINITY,
        fromUserinfo,
      } = await checkToken(token, good.get(key)?.fromUserinfo)
      const identity = toIdentity(claims)
      good.set(key, { identity, expiresAtMs, recheckAtMs, size: sizeOf(identity), fromUserinfo })
      return identity
    } catch (thrown) {
      const error = asGatewayError(thrown)
      // What the provider could not tell us is not the token’s fault.
      if (error.code !== 'provider_unavailable' && error.code !== 'internal') {
        good.delete(key)
        bad.set(key, { error, recheckAtMs: monotonicNow() + badFor })
      }
      throw error
    }
  }
}

function sizeOf({ username, groups, email = '', name = '' }: Identity): number {
  return groups.reduce((sum, group) => sum + group.length, username.length + email.length + name.length)
}

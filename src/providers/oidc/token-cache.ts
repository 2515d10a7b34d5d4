import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { MaybePromise } from '../../async/maybe-promise.ts'
import { createSingleFlight } from '../../async/single-flight.ts'
import type { Identity } from '../../auth/identity.ts'
import { asGatewayError, type GatewayError } from '../../http/errors.ts'
import type { CheckToken } from './check-token.ts'
import type { Claims, ToIdentity } from './claims.ts'

export type TokenCacheOptions = Readonly<{
  checkToken: CheckToken
  toIdentity: ToIdentity
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds of a monotonic clock, for intervals. */
  monotonicNow: () => number
}>

/** Returns the identity for a token. Throws, or rejects with, GatewayError. */
export type IdentifyToken = (token: string) => MaybePromise<Identity>

/** `expiresAtMs` is a time of the wall clock, as in tokens; `recheckAtMs` is one of the monotonic clock. */
type ValidToken = Readonly<{
  identity: Identity
  expiresAtMs: number
  recheckAtMs: number
  /** The approximate size of the identity, in characters. */
  size: number
  fromUserinfo?: readonly string[] | undefined
}>
type RejectedToken = Readonly<{ error: GatewayError; recheckAtMs: number }>

/** The size is limited as well as the count, because userinfo may return a large identity for a short opaque token. */
const cacheLimits = { max: 100_000, maxSize: 64 * 1024 * 1024, sizeCalculation: ({ size }: ValidToken) => size }

/**
 * How long a rejected token is remembered. Some clients keep sending a rejected token, and each request would otherwise
 * cause a call to the provider.
 */
const negativeTtlMs = 10_000
const maxRejectedTokens = 1000

/**
 * Caches the identities of verified tokens, by SHA-256 hash so that a memory dump contains no usable token. Until a
 * token expires, its identity is returned without a promise, as the same frozen object. Checks of the same token are
 * single-flight.
 */
export function createTokenCache({ checkToken, toIdentity, now, monotonicNow }: TokenCacheOptions): IdentifyToken {
  const validTokens = new LRUCache<string, ValidToken>(cacheLimits)
  const rejectedTokens = new LRUCache<string, RejectedToken>({ max: maxRejectedTokens })
  const singleFlight = createSingleFlight<Identity>()

  return function identifyToken(token) {
    const key = hash('sha256', token, 'base64')
    const valid = validTokens.get(key)
    if (valid !== undefined && valid.expiresAtMs > now() && valid.recheckAtMs > monotonicNow()) return valid.identity
    const rejected = rejectedTokens.get(key)
    if (rejected !== undefined && rejected.recheckAtMs > monotonicNow()) throw rejected.error
    return singleFlight(key, () => checkAndCache(token, key))
  }

  async function checkAndCache(token: string, key: string): Promise<Identity> {
    try {
      const {
        claims,
        expiresAtMs,
        recheckAtMs = Number.POSITIVE_INFINITY,
        fromUserinfo,
      } = await checkToken(token, validTokens.get(key)?.fromUserinfo)
      const identity = toIdentity(claims, issuedAtOf(claims))
      validTokens.set(key, { identity, expiresAtMs, recheckAtMs, size: sizeOf(identity), fromUserinfo })
      return identity
    } catch (thrown) {
      const error = asGatewayError(thrown)
      // These errors are not cached, because they say nothing about the token: the provider or elastauth has failed.
      if (error.code !== 'provider_unavailable' && error.code !== 'internal') {
        validTokens.delete(key)
        rejectedTokens.set(key, { error, recheckAtMs: monotonicNow() + negativeTtlMs })
      }
      throw error
    }
  }
}

/**
 * `iat` (RFC 7519, section 4.1.6) in milliseconds. A token that does not say when it was issued counts as older than any
 * revocation.
 */
function issuedAtOf({ iat }: Claims): number {
  return typeof iat === 'number' && Number.isFinite(iat) ? iat * 1000 : 0
}

function sizeOf({ username, groups, email = '', name = '' }: Identity): number {
  return groups.reduce((sum, group) => sum + group.length, username.length + email.length + name.length)
}

import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { createConcurrencyLimit } from '../async/concurrency-limit.ts'
import { limitEntries } from '../async/lru-limit.ts'
import type { MaybePromise } from '../async/maybe-promise.ts'
import { createSingleFlight } from '../async/single-flight.ts'
import { asGatewayError, errorTable, GatewayError } from '../http/errors.ts'

export type VerifiedCredentialsOptions<T> = Readonly<{
  /**
   * Rejects with GatewayError. A status below 500 says that the credential is invalid.
   * @param isKnown whether the credential was valid when it was last verified
   */
  verify: (credential: string, isKnown: boolean) => Promise<T>
  /** How long the result for a valid credential is remembered. */
  ttlMs: number
  /**
   * How many unknown credentials are verified at a time. As many known ones, whose result is outdated, are verified beside
   * them, so that clients with invented credentials do not delay the others.
   */
  maxConcurrent: number
  /** How many verifications may wait, of unknown credentials and of known ones. */
  maxQueued: number
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
}>

type Verified<T> = Readonly<{ value: T; expiresAtMs: number }>
type Rejected = Readonly<{ error: GatewayError; expiresAtMs: number }>

const maxVerified = 100_000

/** How long a rejected credential is remembered, for clients that keep sending it. */
const rejectionTtlMs = 10_000
const maxRejected = 1000

/**
 * Remembers the results of verifying the credentials that clients send. A memory dump contains no usable credential: results
 * are found by HMAC-SHA256 under a random key, so that guesses at a password cannot be compared with them either.
 *
 * The returned function returns the value that `verify` resolved to, without a promise if it is remembered. Otherwise it
 * throws, or rejects with, the error of `verify`, or GatewayError overloaded. Concurrent calls for a credential are
 * single-flight.
 */
export function createVerifiedCredentials<T>(
  options: VerifiedCredentialsOptions<T>,
): (credential: string) => MaybePromise<T> {
  const { verify, ttlMs, monotonicNow } = options
  const key = createSecretKey(randomBytes(32))
  const verified = new LRUCache<string, Verified<T>>(limitEntries(maxVerified))
  const rejected = new LRUCache<string, Rejected>(limitEntries(maxRejected))
  const limitUnknown = createLimit(options)
  const limitKnown = createLimit(options)
  const singleFlight = createSingleFlight<T>()

  return function verifyOnce(credential) {
    const id = createHmac('sha256', key).update(credential).digest('base64')
    const known = verified.get(id)
    if (known !== undefined && known.expiresAtMs > monotonicNow()) return known.value
    const rejection = rejected.get(id)
    if (rejection !== undefined && rejection.expiresAtMs > monotonicNow()) throw rejection.error
    const isKnown = known !== undefined
    const limit = isKnown ? limitKnown : limitUnknown
    return singleFlight(id, () => limit(() => verifyAndRemember(id, credential, isKnown)))
  }

  async function verifyAndRemember(id: string, credential: string, isKnown: boolean): Promise<T> {
    const startedAt = monotonicNow()
    try {
      const value = await verify(credential, isKnown)
      verified.set(id, { value, expiresAtMs: startedAt + ttlMs })
      return value
    } catch (thrown) {
      const error = asGatewayError(thrown)
      // Other errors say nothing about the credential.
      if (errorTable[error.code].status < 500 && error.code !== 'too_many_attempts') {
        verified.delete(id)
        rejected.set(id, { error, expiresAtMs: startedAt + rejectionTtlMs })
      }
      throw error
    }
  }
}

function createLimit({
  maxConcurrent,
  maxQueued,
}: Pick<VerifiedCredentialsOptions<unknown>, 'maxConcurrent' | 'maxQueued'>) {
  return createConcurrencyLimit({
    maxConcurrent,
    maxQueued,
    onQueueFull: () => tooManyPending(maxConcurrent + maxQueued),
  })
}

function tooManyPending(count: number): GatewayError {
  return new GatewayError('overloaded', `the credentials of ${count} other clients are being checked`)
}

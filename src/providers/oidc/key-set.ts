import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { CustomFetch } from 'openid-client'
import { shareTask } from '../../async/single-flight.ts'
import type { GatewayError } from '../../http/errors.ts'
import { asProviderError } from './provider-error.ts'

export type KeySetOptions = Readonly<{
  /** The URL of the provider's key set (RFC 7517, section 5). */
  jwksUri: () => Promise<string>
  fetch: CustomFetch
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  /** Called once for each reason why the keys cannot be fetched, and with `undefined` when they can be fetched again. */
  reportProblem: (problem: string | undefined) => void
}>

export type KeySet = Readonly<{
  /**
   * Finds the key that a token's header names. Rejects with GatewayError provider_unavailable, or with jose's error if
   * there is no such key.
   */
  getKey: JWTVerifyGetKey
  /** Resolves when keys are available. Rejects with GatewayError provider_unavailable. */
  load: () => Promise<unknown>
  isFailing: () => boolean
}>

/** Keys older than this are used while they are refreshed in the background. */
const freshMs = 600_000
/**
 * Keys older than this are not used, even if no refresh succeeds, so that a key that the provider has revoked is not
 * accepted indefinitely.
 */
const maxAgeMs = 86_400_000
/**
 * The minimum time between two refreshes for unknown keys. Limits the calls that tokens with invented key IDs can cause
 * (JWKS flooding).
 */
const minRefreshIntervalMs = 10_000
const retryIntervalMs = 5000

/** The provider's public keys. Refreshes are single-flight and rate-limited; while they fail, the last keys are used. */
export function createKeySet({ jwksUri, fetch, monotonicNow, reportProblem }: KeySetOptions): KeySet {
  let cached: { find: JWTVerifyGetKey; fetchedAtMs: number } | undefined
  let failure: GatewayError | undefined
  let lastFetchAtMs = Number.NEGATIVE_INFINITY
  let lastMissAtMs = Number.NEGATIVE_INFINITY
  const refresh = shareTask(fetchAndCache)

  const getKey: JWTVerifyGetKey = async (header, token) => {
    const find = await currentKeys()
    try {
      return await find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // The key is unknown, but the provider may have rotated its keys since the last fetch. They are fetched again at
      // most every minRefreshIntervalMs.
      if (refresh.isRunning() || monotonicNow() - lastMissAtMs >= minRefreshIntervalMs) {
        lastMissAtMs = monotonicNow()
        await refresh.run().catch(() => {}) // the error is kept in `failure`
      }
      if (failure !== undefined) throw failure // a refresh could have found this key
      return (await currentKeys())(header, token)
    }
  }

  async function currentKeys(): Promise<JWTVerifyGetKey> {
    const ageMs = cached === undefined ? Number.POSITIVE_INFINITY : monotonicNow() - cached.fetchedAtMs
    if (ageMs > maxAgeMs) {
      if (failure !== undefined && !mayRefresh(retryIntervalMs)) throw failure
      await refresh.run()
    } else if (ageMs > freshMs && mayRefresh(minRefreshIntervalMs)) refresh.run().catch(() => {})
    return cached!.find
  }

  function mayRefresh(intervalMs: number): boolean {
    return refresh.isRunning() || monotonicNow() - lastFetchAtMs >= intervalMs
  }

  async function fetchAndCache(): Promise<void> {
    lastFetchAtMs = monotonicNow()
    try {
      const keySet = await fetchKeySet(await jwksUri(), fetch)
      cached = { find: createLocalJWKSet(keySet), fetchedAtMs: monotonicNow() }
      if (failure !== undefined) reportProblem(undefined)
      failure = undefined
    } catch (thrown) {
      const error = asProviderError(thrown, 'key set')
      if (failure?.detail !== error.detail) reportProblem(error.detail)
      failure = error
      throw error
    }
  }

  return Object.freeze({ getKey, load: currentKeys, isFailing: () => failure !== undefined })
}

async function fetchKeySet(url: string, fetch: CustomFetch): Promise<JSONWebKeySet> {
  const headers = { accept: 'application/json, application/jwk-set+json' }
  const response = await fetch(url, { method: 'GET', headers, body: undefined, redirect: 'manual' })
  if (response.status !== 200) throw new Error(`status ${response.status}`)
  const keySet = (await response.json().catch(() => undefined)) as Partial<JSONWebKeySet> | undefined
  // An empty key set is treated as a failure, so that the previous keys stay in use. It would lock out all users.
  if (!Array.isArray(keySet?.keys) || keySet.keys.length === 0) throw new Error('the response contains no keys')
  return keySet as JSONWebKeySet
}

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { CustomFetch } from 'openid-client'
import type { GatewayError } from '../../http/errors.ts'
import { asProviderError } from './provider-error.ts'

export type KeySetOptions = Readonly<{
  /** The address of the provider’s keys (RFC 7517, 5). */
  jwksUri: () => Promise<string>
  fetch: CustomFetch
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number
  /** Told when the keys cannot be had, once for each reason, and when they can again (`undefined`). */
  reportProblem: (problem: string | undefined) => void
}>

export type KeySet = Readonly<{
  /** The key for a token’s header. Rejects with GatewayError provider_unavailable, or an error of jose’s where there is none. */
  getKey: JWTVerifyGetKey
  /** Resolves when there are keys. Rejects with GatewayError provider_unavailable. */
  load: () => Promise<unknown>
  isFailing: () => boolean
}>

/** In milliseconds. Old keys are renewed behind the callers’ backs, and used until then: */
const freshFor = 600_000
/** … at most so long, lest a key that the provider has withdrawn lives on with us. */
const usableFor = 86_400_000
/** Whoever invents key IDs must not make us ask for each of them. */
const pauseBetween = 10_000
const pauseAfterFailure = 5000

/** The provider’s public keys. One fetch at a time, few of them, and the last good ones outlive the provider’s failures. */
export function createKeySet({ jwksUri, fetch, monotonicNow, reportProblem }: KeySetOptions): KeySet {
  let known: { find: JWTVerifyGetKey; at: number } | undefined
  let failure: GatewayError | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  let missedAt = Number.NEGATIVE_INFINITY
  let flight: Promise<void> | undefined

  const getKey: JWTVerifyGetKey = async (header, token) => {
    const find = await usable()
    try {
      return await find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // A key that is new since we asked is found at once; after that it may take a moment.
      if (flight !== undefined || monotonicNow() - missedAt >= pauseBetween) {
        missedAt = monotonicNow()
        await renew().catch(() => {}) // kept as `failure`
      }
      if (failure !== undefined) throw failure // the key may well be a new one
      return (await usable())(header, token)
    }
  }

  async function usable(): Promise<JWTVerifyGetKey> {
    const age = known === undefined ? Number.POSITIVE_INFINITY : monotonicNow() - known.at
    if (age > usableFor) {
      if (failure !== undefined && !mayAsk(pauseAfterFailure)) throw failure
      await renew()
    } else if (age > freshFor && mayAsk(pauseBetween)) renew().catch(() => {})
    return known!.find
  }

  function mayAsk(pause: number): boolean {
    return flight !== undefined || monotonicNow() - askedAt >= pause
  }

  function renew(): Promise<void> {
    flight ??= load().finally(() => {
      flight = undefined
    })
    return flight
  }

  async function load(): Promise<void> {
    askedAt = monotonicNow()
    try {
      known = { find: createLocalJWKSet(await fetchKeys()), at: monotonicNow() }
      if (failure !== undefined) reportProblem(undefined)
      failure = undefined
    } catch (thrown) {
      const error = asProviderError(thrown, 'its keys')
      if (failure?.detail !== error.detail) reportProblem(error.detail)
      failure = error
      throw error
    }
  }

  async function fetchKeys(): Promise<JSONWebKeySet> {
    const headers = { accept: 'application/json, application/jwk-set+json' }
    const response = await fetch(await jwksUri(), { method: 'GET', headers, body: undefined, redirect: 'manual' })
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    const keySet = (await response.json().catch(() => undefined)) as Partial<JSONWebKeySet> | undefined
    // None at all would lock out everybody: rather the last ones.
    if (!Array.isArray(keySet?.keys) || keySet.keys.length === 0) throw new Error('the answer holds no keys')
    return keySet as JSONWebKeySet
  }

  return Object.freeze({ getKey, load: usable, isFailing: () => failure !== undefined })
}

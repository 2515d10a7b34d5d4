import type { MaybePromise } from '../async/maybe-promise.ts'
import { createSingleFlight } from '../async/single-flight.ts'
import type { Identity } from '../auth/identity.ts'
import { GatewayError } from '../http/errors.ts'
import { createLookup, type LookupOptions } from './lookup.ts'
import type { Revocations } from './revocations.ts'
import type { SessionTimeouts } from './session.ts'
import type { CachedSession, SessionCache } from './session-cache.ts'

export type FindSession = (id: string) => MaybePromise<Identity | undefined>

/**
 * What to do with a cached session:
 * `expired`: drop the cached session and read the store, because another replica may have served the session recently ·
 * `look-up-first`: the claims are stale, so the request waits for a refresh ·
 * `serve-and-look-up`: serve the cached session, and look for changes in the background ·
 * `serve`: serve the cached session without asking the store
 */
export type LookupDecision = 'expired' | 'look-up-first' | 'serve-and-look-up' | 'serve'

/** @param time by the wall clock @param uptimeMs by the monotonic clock */
export function decideLookup(
  cached: CachedSession,
  { idleTimeoutMs }: SessionTimeouts,
  time: number,
  uptimeMs: number,
): LookupDecision {
  if (uptimeMs - cached.usedAt >= idleTimeoutMs || time >= cached.endsAt) return 'expired'
  if (time >= cached.freshUntil && uptimeMs >= cached.nextRefreshAt) return 'look-up-first'
  return uptimeMs >= cached.nextLookupAt ? 'serve-and-look-up' : 'serve'
}

/** The returned function serves cached sessions without waiting for the store, and looks for changes in the store in the background. */
export function createFindSession(options: LookupOptions, cache: SessionCache, revocations: Revocations): FindSession {
  const { timeouts, now, monotonicNow, onEnded } = options
  const lookUp = createLookup(options, cache, revocations)
  const singleFlight = createSingleFlight<CachedSession | undefined>()

  function find(id: string): MaybePromise<Identity | undefined> {
    const cached = cache.get(id)
    if (cached === undefined) return lookUpOnce(id).then(serve)
    const time = now()
    const uptimeMs = monotonicNow()
    const decision = decideLookup(cached, timeouts, time, uptimeMs)
    if (decision === 'expired') {
      cache.delete(id)
      return lookUpOnce(id).then((found) => {
        const { identity, endsAt } = cached
        if (found === undefined)
          onEnded({ username: identity.username, reason: time >= endsAt ? 'lifetime' : 'idle_timeout' })
        return serve(found)
      })
    }
    cached.usedAt = uptimeMs
    if (decision === 'look-up-first') return lookUpOnce(id).then(serve)
    if (decision === 'serve-and-look-up') lookUpOnce(id).catch(() => {})
    return serve(cached)
  }

  function serve(cached: CachedSession | undefined): Identity | undefined {
    if (cached === undefined) return undefined
    const { identity, freshUntil, endsAt } = cached
    if (now() < Math.min(freshUntil + timeouts.graceMs, endsAt)) return identity
    throw new GatewayError('provider_unavailable', 'the claims of the session are stale and cannot be refreshed')
  }

  /** Concurrent requests in one session share a lookup. */
  function lookUpOnce(id: string): Promise<CachedSession | undefined> {
    return singleFlight(id, () => lookUp(id))
  }

  return find
}

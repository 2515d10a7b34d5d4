import type { Identity } from '../auth/identity.ts'
import { GatewayError } from '../http/errors.ts'
import { createRefresh, type PendingWrite, type RefreshOptions, type RefreshResult } from './refresh.ts'
import type { Revocations } from './revocations.ts'
import { type Session, type SessionEnd, type SessionTimeouts, UserChangedError } from './session.ts'
import type { CachedSession, SessionCache } from './session-cache.ts'
import { indexOf, keyOf } from './session-id.ts'
import { storeUnavailable } from './store-error.ts'

export type LookupOptions = RefreshOptions &
  Readonly<{
    /**
     * Converts claims to an identity. Throws GatewayError identity_invalid, or UserChangedError.
     * @param authenticatedAt see `Identity`
     */
    toIdentity: (claims: Readonly<Record<string, unknown>>, authenticatedAt?: number) => Identity
    onRefreshFailure: (error: unknown, username: string | undefined) => void
    onEnded: (end: SessionEnd) => void
  }>

type Found = Exclude<RefreshResult, { kind: 'ended' }>

/** A cached session is looked up in the store, and its idle timeout extended there, once per interval. */
const lookupIntervalMs = 30_000
/** Delay before the next attempt after the store or the provider has failed. */
const retryDelayMs = 5000

/**
 * The returned function reads a session from the store, refreshes its claims if that is due, and caches it. It resolves to
 * undefined if the session has ended, and to the cached session if the store is unavailable. Rejects with GatewayError
 * sessions_unavailable.
 */
export function createLookup(options: LookupOptions, cache: SessionCache, revocations: Revocations) {
  const { store, seal, timeouts, toIdentity, now, monotonicNow, onRefreshFailure, onEnded } = options
  const refresh = createRefresh(options)

  async function lookUp(id: string): Promise<CachedSession | undefined> {
    const key = keyOf(id)
    if (revocations.isRevoked(key)) return undefined
    const cached = cache.get(id)
    let value: string | undefined
    try {
      if (cached?.pendingWrite) await storePending(cached, cached.pendingWrite)
      value = await store.get(key)
    } catch (cause) {
      return serveWithoutStore(cached, cause)
    }
    revocations.flushPending()
    const session = value === undefined ? undefined : openUnexpired(id, value)
    if (value === undefined || session === undefined) return removeEnded(id, key)
    if (!isRefreshDue(session, cached)) return applyResult(id, key, { kind: 'current', session })
    const result = await refresh({ id, key, value, session })
    reportEnd(result, session)
    return applyResult(id, key, result)
  }

  function serveWithoutStore(cached: CachedSession | undefined, cause: unknown): CachedSession | undefined {
    if (cached === undefined) throw storeUnavailable(cause)
    if (revocations.isRevoked(cached.key)) return undefined // meanwhile
    cached.nextRefreshAt = monotonicNow() + retryDelayMs
    cached.nextLookupAt = cached.nextRefreshAt
    return cached
  }

  function openUnexpired(id: string, value: string): Session | undefined {
    const session = seal.open(id, value)
    return session === undefined || session.endsAt <= now() ? undefined : session
  }

  function isRefreshDue({ refreshToken, refreshAt }: Session, cached: CachedSession | undefined): boolean {
    return refreshToken !== undefined && now() >= refreshAt && monotonicNow() >= (cached?.nextRefreshAt ?? 0)
  }

  /** Caches the session, or removes it if it has ended or was revoked during the refresh. */
  async function applyResult(id: string, key: string, result: RefreshResult): Promise<CachedSession | undefined> {
    if (result.kind === 'ended' || revocations.isRevoked(key)) return removeEnded(id, key)
    if (result.kind === 'failed' && result.error !== undefined)
      onRefreshFailure(result.error, usernameOf(result.session))
    const identity = identityOf(id, result.session)
    if (identity !== undefined) return addToCache(id, key, result, identity)
    // The user must sign in again. The sign-in gets fresh claims or shows the user the error.
    await revocations.revoke(key).catch(() => {})
    return undefined
  }

  /** Reports the end of a session whose claims give no identity. */
  function identityOf(id: string, session: Session): Identity | undefined {
    try {
      if (isUnconfirmable(session, timeouts, now)) throw unconfirmable
      // A session of an older release counts as older than any revocation: its end says nothing about the sign-in if session.lifetime
      // has been changed since.
      return toIdentity(session.claims, session.signedInAt ?? 0)
    } catch (error) {
      const username = cache.get(id)?.identity.username
      if (error instanceof UserChangedError) onEnded({ username: error.username, reason: 'user_changed' })
      else {
        onRefreshFailure(error, username)
        onEnded({ username, reason: 'claims_unusable' })
      }
      return undefined
    }
  }

  function reportEnd(result: RefreshResult, session: Session): void {
    if (result.kind === 'ended' && result.reason) onEnded({ username: usernameOf(session), reason: result.reason })
  }

  function usernameOf({ claims }: Session): string | undefined {
    try {
      return toIdentity(claims).username
    } catch {
      return undefined
    }
  }

  /** Marks only cached sessions as revoked, because clients can invent any number of other ids. */
  function removeEnded(id: string, key: string): undefined {
    if (cache.get(id)) revocations.markRevoked(key)
  }

  function addToCache(id: string, key: string, { kind, session, pendingWrite }: Found, identity: Identity) {
    const former = cache.get(id)
    const uptimeMs = monotonicNow()
    const nextRefreshAt = kind === 'failed' ? uptimeMs + retryDelayMs : (former?.nextRefreshAt ?? 0)
    const cached: CachedSession = {
      key,
      // Keeps the same object while the identity is unchanged, because other caches use the object as their key.
      identity: former && isSame(former.identity, identity) ? former.identity : identity,
      freshUntil: session.freshUntil,
      endsAt: session.endsAt,
      nextLookupAt: nextLookupAfter(uptimeMs, nextRefreshAt, session),
      usedAt: uptimeMs,
      touchedAt: touch(key, session, former?.touchedAt ?? Number.NEGATIVE_INFINITY),
      nextRefreshAt,
      pendingWrite,
    }
    cache.set(id, cached)
    if (former?.identity.username !== identity.username) addToUser(key, session, identity.username)
    return cached
  }

  /**
   * Adds the session to those of its user: a session of an older release is in no list, and after a change at the provider or of
   * the configuration a session may have another username. Happens once in each process.
   */
  function addToUser(key: string, { endsAt, signedInAt, browser }: Session, username: string): void {
    const description = seal.closeDescription(key, { username, signedInAt, browser })
    store.addToIndex(indexOf('user', username), { key, ttlMs: endsAt - now() }).catch(() => {})
    store.setDescription(key, description).catch(() => {})
  }

  /** After `lookupIntervalMs`, or when a refresh is due and possible, whichever is earlier. A change of the wall clock moves only the refresh. */
  function nextLookupAfter(uptimeMs: number, nextRefreshAt: number, session: Session): number {
    const refreshAt = session.refreshToken === undefined ? session.endsAt : session.refreshAt
    const refreshInMs = Math.max(refreshAt - now(), nextRefreshAt - uptimeMs)
    return uptimeMs + Math.min(lookupIntervalMs, refreshInMs)
  }

  /** Extends the idle timeout in the store, at most once per interval. Returns the time of the last extension. */
  function touch(key: string, { endsAt }: Session, touchedAt: number): number {
    const uptimeMs = monotonicNow()
    if (uptimeMs - touchedAt < Math.min(lookupIntervalMs, timeouts.idleTimeoutMs / 10)) return touchedAt
    store.touch(key, Math.min(timeouts.idleTimeoutMs, endsAt - now())).catch(() => {})
    return uptimeMs
  }

  async function storePending(cached: CachedSession, { owner, value }: PendingWrite): Promise<void> {
    const ttlMs = Math.min(timeouts.idleTimeoutMs, cached.endsAt - now())
    await store.completeRefresh(cached.key, { owner, value, ttlMs })
    cached.pendingWrite = undefined
  }

  return lookUp
}

const unconfirmable = new GatewayError(
  'provider_unavailable',
  'refreshes bring no ID token, and userinfo does not return its username or groups: the user has to sign in again',
)

/** Whether the grace period is over although the provider accepts refreshes, because it does not confirm the username or the groups. */
function isUnconfirmable({ refreshAt, freshUntil }: Session, { graceMs }: SessionTimeouts, now: () => number): boolean {
  return now() >= freshUntil + graceMs && now() < refreshAt
}

function isSame(a: Identity, b: Identity): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

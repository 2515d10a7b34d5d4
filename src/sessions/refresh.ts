import { randomBytes } from 'node:crypto'
import { refreshTimes, type Session, type SessionEnd, type SessionTimeouts } from './session.ts'
import type { SessionSeal } from './session-seal.ts'
import type { RefreshLock, SessionStore } from './store.ts'

/** What the provider granted for a refresh token or for an authorization code. */
export type GrantedTokens = Readonly<{
  refreshToken?: string | undefined
  idToken?: string | undefined
  /** Undefined if the claims could not be requested from the provider. The session then keeps its earlier claims and their expiry. */
  claims: Readonly<Record<string, unknown>> | undefined
  /** The names of the claims from the userinfo endpoint. */
  fromUserinfo: readonly string[]
  /** False if the provider did not confirm the username or the groups. The claims then keep their expiry, as after a failed refresh. */
  isFresh: boolean
  /** Milliseconds since 1970. */
  tokenExpiresAt: number
}>

/**
 * Redeems a refresh token at the provider. Resolves to `rejected` if the provider says that the token is invalid, and to
 * UnconfirmedRefresh if the provider may have redeemed the token although no usable response arrived. Rejects if the provider
 * has not redeemed the token.
 */
export type RequestRefresh = (
  refreshToken: string,
  session: Session,
) => Promise<GrantedTokens | 'rejected' | UnconfirmedRefresh>

/** @property unconfirmed the error to log */
export type UnconfirmedRefresh = Readonly<{ unconfirmed: unknown }>

/**
 * `current`: up to date · `failed`: the provider, the store or another replica did not respond · `ended`: the session no longer
 * exists
 */
export type RefreshResult =
  | Readonly<{ kind: 'current'; session: Session; pendingWrite?: PendingWrite }>
  | Readonly<{ kind: 'failed'; session: Session; pendingWrite?: PendingWrite; error?: unknown }>
  | Readonly<{ kind: 'ended'; reason?: SessionEnd['reason'] }>

/** A refreshed session that the store has not accepted yet, and the owner of its refresh lock. */
export type PendingWrite = Readonly<{ owner: string; value: string }>

export type RefreshOptions = Readonly<{
  store: SessionStore
  seal: SessionSeal
  requestRefresh: RequestRefresh
  timeouts: SessionTimeouts
  now: () => number
  /** The time of a monotonic clock in milliseconds, for measuring intervals. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
}>

/** A session as read from the store: `value` is its encrypted form. */
export type StoredSession = Readonly<{ id: string; key: string; value: string; session: Session }>

type LockedSession = StoredSession & Readonly<{ owner: string }>

/** Maximum time that a request waits for another replica's refresh, and the interval at which it polls the store. */
const waitTimeoutMs = 5000
const pollIntervalMs = 50
/** An older lock counts as abandoned, because calls to the provider have shorter timeouts. */
const maxRefreshMs = 120_000

const ended = { kind: 'ended' } as const

/** Refreshes a session. One replica redeems the refresh token, once; the others wait for its result. */
export function createRefresh(options: RefreshOptions) {
  return async function refresh(stored: StoredSession): Promise<RefreshResult> {
    const owner = `${options.now()}-${randomBytes(12).toString('base64url')}`
    try {
      const lock = await acquireLock(options, stored, owner)
      if (lock === 'gone') return ended
      if (lock !== 'acquired') return await waitForOtherReplica(options, stored)
    } catch {
      return { kind: 'failed', session: stored.session } // another replica may be refreshing the session
    }
    return redeemToken(options, { ...stored, owner })
  }
}

/**
 * Takes over an abandoned lock only when the grace period is over. By then the session is unusable, so a replay of the token
 * can do no further harm.
 */
async function acquireLock(
  { store, timeouts, now }: RefreshOptions,
  { key, value, session }: StoredSession,
  owner: string,
): Promise<RefreshLock> {
  const lock = await store.lockRefresh(key, { value, owner })
  const canTakeOver =
    typeof lock === 'object' && isAbandoned(lock.heldBy, now()) && now() >= session.freshUntil + timeouts.graceMs
  return canTakeOver ? store.lockRefresh(key, { value, owner, replaces: lock.heldBy }) : lock
}

function isAbandoned(owner: string, now: number): boolean {
  const lockedAt = Number(owner.split('-')[0])
  return now - lockedAt > maxRefreshMs
}

async function redeemToken(options: RefreshOptions, locked: LockedSession): Promise<RefreshResult> {
  const { store, requestRefresh } = options
  const { key, owner, session } = locked
  let granted: Awaited<ReturnType<RequestRefresh>>
  try {
    granted = await requestRefresh(session.refreshToken!, session)
  } catch (error) {
    await store.unlockRefresh(key, owner).catch(() => {})
    return { kind: 'failed', session, error }
  }
  if (granted === 'rejected') return deleteSession(store, key, 'refresh_rejected')
  // Keeps the lock, because the provider may have redeemed the token and may treat another attempt as a replay.
  if ('unconfirmed' in granted) return { kind: 'failed', session, error: granted.unconfirmed }
  return storeRefreshed(options, locked, granted)
}

async function storeRefreshed(
  { store, seal, timeouts, now }: RefreshOptions,
  { id, key, owner, session }: LockedSession,
  granted: GrantedTokens,
): Promise<RefreshResult> {
  const renewed = renew(session, granted, now())
  const value = seal.close(id, renewed)
  if (value === undefined) return deleteSession(store, key, 'claims_unusable')
  const kind = granted.claims === undefined ? 'failed' : 'current'
  try {
    const ttlMs = Math.min(timeouts.idleTimeoutMs, session.endsAt - now())
    const isStored = await store.completeRefresh(key, { owner, value, ttlMs })
    return isStored ? { kind, session: renewed } : ended
  } catch {
    // Keeps the lock, so that no replica redeems the old token. This process stores the new token when the store is available
    // again.
    return { kind, session: renewed, pendingWrite: { owner, value } }
  }
}

async function deleteSession(store: SessionStore, key: string, reason: SessionEnd['reason']): Promise<RefreshResult> {
  await store.delete(key).catch(() => {})
  return { kind: 'ended', reason }
}

function renew(session: Session, granted: GrantedTokens, now: number): Session {
  const { refreshToken, idToken, claims, fromUserinfo, isFresh, tokenExpiresAt } = granted
  const { freshUntil, refreshAt } = refreshTimes(now, tokenExpiresAt, session.endsAt)
  return {
    ...session,
    refreshToken: refreshToken ?? session.refreshToken,
    idToken: idToken ?? session.idToken,
    ...(claims !== undefined && { claims, fromUserinfo, refreshAt, ...(isFresh && { freshUntil }) }),
  }
}

async function waitForOtherReplica(
  { store, seal, now, sleep }: RefreshOptions,
  { id, key, value, session }: StoredSession,
): Promise<RefreshResult> {
  for (let waitedMs = 0; ; waitedMs += pollIntervalMs) {
    const stored = await store.get(key)
    const found = stored === undefined ? undefined : seal.open(id, stored)
    if (found === undefined) return ended
    if (stored !== value) return { kind: 'current', session: found }
    // While the claims are fresh, the request can use them and need not wait.
    if (now() < session.freshUntil || waitedMs >= waitTimeoutMs) return { kind: 'failed', session }
    await sleep(pollIntervalMs)
  }
}

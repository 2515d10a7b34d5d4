import { GatewayError } from '../http/errors.ts'
import { createFindSession, type FindSession } from './find-session.ts'
import type { LookupOptions } from './lookup.ts'
import type { GrantedTokens } from './refresh.ts'
import { createRevocations } from './revocations.ts'
import { refreshTimes, type Session } from './session.ts'
import { createSessionCache } from './session-cache.ts'
import { createSessionId, indexOf, keyOf } from './session-id.ts'
import type { SessionEvent } from './store.ts'
import { orUnavailable } from './store-error.ts'
import { createUserSessions, type UserSessions } from './user-sessions.ts'

export type SessionsOptions = LookupOptions &
  Readonly<{
    /** Maximum number of sessions cached in this process. */
    maxCached: number
    /** Called with the username when a cached session is revoked. */
    onRevoked: (username: string) => void
  }>

export type Sessions = Readonly<{
  /**
   * The identity of the session with this id; undefined if there is no such session.
   * Throws, or rejects with, GatewayError sessions_unavailable, provider_unavailable, identity_invalid.
   */
  find: FindSession
  /** The whole session. Rejects with GatewayError sessions_unavailable. */
  read: (id: string) => Promise<Session | undefined>
  /** Creates a session and resolves to its id. Rejects with GatewayError sessions_unavailable, identity_invalid, login_failed. */
  create: (login: Login) => Promise<string>
  /** Revokes a session immediately in this process, and in the store as soon as the store is available. Never rejects. */
  revoke: (id: string) => Promise<void>
  /**
   * Revokes all sessions of a subject (`sub`) or of a session at the provider (`sid`). Resolves to the number of revoked
   * sessions. Rejects with GatewayError sessions_unavailable.
   */
  revokeAll: (kind: 'sub' | 'sid', value: string) => Promise<number>
  /** The sessions of a username. */
  ofUser: UserSessions
  /** Handles the message of another replica that has changed or ended a session. */
  handleEvent: (event: SessionEvent) => void
  /** Schedules a lookup of every cached session within a few seconds, because messages of other replicas may have been lost. */
  recheckAll: () => void
}>

/** What the provider granted for a sign-in. */
export type Login = Omit<GrantedTokens, 'claims' | 'isFresh'> &
  Readonly<{ subject: string; sid?: string | undefined; claims: Readonly<Record<string, unknown>> }> &
  Pick<Session, 'browser'>

/** Maximum number of sessions per user, enough for all browsers and scripts of a person. A further sign-in ends the oldest session. */
export const maxSessionsPerSubject = 50

/** The time over which `recheckAll` spreads its lookups. */
const recheckSpreadMs = 10_000

/** Manages login sessions in a store that replicas may share, and caches the sessions that are in use. */
export function createSessions(options: SessionsOptions): Sessions {
  const { store, seal, timeouts, toIdentity, now, monotonicNow } = options
  const cache = createSessionCache(options.maxCached)
  const revocations = createRevocations(store, cache, options.onRevoked)

  async function create(login: Login): Promise<string> {
    const { subject, sid, claims, fromUserinfo, refreshToken, idToken, tokenExpiresAt, browser } = login
    const { username } = toIdentity(claims) // throws if the claims are not a valid identity
    const id = createSessionId()
    const key = keyOf(id)
    const signedInAt = now()
    const endsAt = signedInAt + timeouts.lifetimeMs
    const times = { endsAt, ...refreshTimes(now(), refreshToken === undefined ? undefined : tokenExpiresAt, endsAt) }
    const shown = { signedInAt, browser }
    const value = seal.close(id, { subject, sid, claims, fromUserinfo, refreshToken, idToken, ...times, ...shown })
    if (value === undefined) throw new GatewayError('login_failed', 'the claims and tokens of the user are too large')
    const indexes = [indexOf('sub', subject), ...(sid === undefined ? [] : [indexOf('sid', sid)])]
    const userIndex = indexOf('user', username)
    const description = seal.closeDescription(key, { username, ...shown })
    // The session is added to the indexes before it is stored, so that a back-channel logout finds every session that exists.
    for (const index of [...indexes, userIndex]) await store.addToIndex(index, { key, ttlMs: timeouts.lifetimeMs })
    await store.put(key, { value, ttlMs: Math.min(timeouts.idleTimeoutMs, timeouts.lifetimeMs), description })
    for (const index of indexes) await revokeSurplus(index, key, username)
    // Several subjects may share a username, so a large index does not end a session.
    if (await isLarge(userIndex, key)) await pruneIndex(userIndex)
    // Revoked before it was stored, by a sign-out of all sessions: other replicas, and this one after a restart, would find it.
    if (revocations.isRevoked(key)) await revocations.revoke(key)
    return id
  }

  async function isLarge(index: string, key: string): Promise<boolean> {
    // Adds the session again, because a concurrent sign-in may have removed it from the index before it was stored.
    return (await store.addToIndex(index, { key, ttlMs: timeouts.lifetimeMs })) > maxSessionsPerSubject
  }

  /** Removes the sessions that have ended from an index. Resolves to the others, the oldest first. */
  async function pruneIndex(index: string): Promise<readonly string[]> {
    const keys = await store.listIndex(index)
    const exists = await Promise.all(keys.map(store.has))
    await store.removeFromIndex(
      index,
      keys.filter((_key, at) => !exists[at]),
    )
    return keys.filter((_key, at) => exists[at])
  }

  /** Revokes the oldest sessions of an index that is too large, so that sign-ins of one user do not evict sessions of other users. */
  async function revokeSurplus(index: string, key: string, username: string): Promise<void> {
    if (!(await isLarge(index, key))) return
    const existing = await pruneIndex(index)
    const surplus = existing.slice(0, Math.max(0, existing.length - maxSessionsPerSubject))
    const revoked = await Promise.all(surplus.map(revocations.revoke))
    for (const existed of revoked) if (existed) options.onEnded({ username, reason: 'too_many_sessions' })
    await store.removeFromIndex(index, surplus)
  }

  return Object.freeze({
    find: createFindSession(options, cache, revocations),
    read: (id: string) =>
      orUnavailable(async () => {
        const value = await store.get(keyOf(id))
        return value === undefined || revocations.isRevoked(keyOf(id)) ? undefined : seal.open(id, value)
      }),
    create: (login: Login) => orUnavailable(() => create(login)),
    revoke: (id: string) =>
      revocations.revoke(keyOf(id)).then(
        () => {},
        () => {},
      ),
    revokeAll: (kind: 'sub' | 'sid', value: string) =>
      orUnavailable(async () => {
        const revoked = await Promise.all((await store.listIndex(indexOf(kind, value))).map(revocations.revoke))
        return revoked.filter(Boolean).length
      }),
    ofUser: createUserSessions({ store, seal, revoke: revocations.revoke }),
    handleEvent({ key, type }: SessionEvent) {
      if (type === 'ended') return revocations.markRevoked(key)
      const id = cache.idOf(key)
      const cached = id === undefined ? undefined : cache.get(id)
      if (cached) cached.nextLookupAt = 0
    },
    recheckAll() {
      revocations.flushPending()
      for (const cached of cache.values())
        cached.nextLookupAt = Math.min(cached.nextLookupAt, monotonicNow() + Math.random() * recheckSpreadMs)
    },
  })
}

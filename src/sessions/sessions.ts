import { GatewayError } from '../http/errors.ts'
import { createFindSession, type FindOptions, type FindSession } from './find.ts'
import type { Granted } from './refresh.ts'
import { createRevocations } from './revocations.ts'
import { freshness, type Session } from './session.ts'
import { createSessionCache } from './session-cache.ts'
import { createSessionId, indexOf, keyOf } from './session-id.ts'
import type { SessionEvent } from './store.ts'
import { unavailable } from './unavailable.ts'

export type SessionsOptions = FindOptions &
  Readonly<{
    /** Sessions kept in this process beside the store. */
    maxKnown: number
    /** The session of a user that was known here has ended. */
    onEnded: (username: string) => void
  }>

export type Sessions = Readonly<{
  /**
   * Who has the session of this id; undefined where there is none any more.
   * Throws, or rejects with, GatewayError sessions_unavailable, provider_unavailable, identity_invalid.
   */
  find: FindSession
  /** The whole session. Rejects with GatewayError sessions_unavailable. */
  read: (id: string) => Promise<Session | undefined>
  /** A new session: its id. Rejects with GatewayError sessions_unavailable, identity_invalid, login_failed. */
  open: (login: Login) => Promise<string>
  /** Ends a session: here at once, elsewhere as soon as the store can be had. Never rejects. */
  end: (id: string) => Promise<void>
  /** Ends all sessions of a subject, or of one of the provider's sessions: how many. Rejects with GatewayError sessions_unavailable. */
  endAll: (kind: 'sub' | 'sid', value: string) => Promise<number>
  /** Another replica has changed or ended a session. */
  note: (news: SessionEvent) => void
  /** News may have gone unheard: every session is looked at again, spread over a while. */
  recheckAll: () => void
}>

export type Login = Omit<Granted, 'claims' | 'isFresh'> &
  Readonly<{ subject: string; sid?: string | undefined; claims: Readonly<Record<string, unknown>> }>

/** Maximum of sessions per subject: enough for all browsers and scripts of a person. A further one ends the oldest. */
export const maxListed = 50

/** Over how long the looks at all sessions are spread, in milliseconds. */
const spread = 10_000

/** Sessions of people who have logged in: in a store that replicas may share, and in this process as far as they are in use. */
export function createSessions(options: SessionsOptions): Sessions {
  const { store, seal, rules, toIdentity, now, monotonicNow } = options
  const known = createSessionCache(options.maxKnown)
  const endings = createRevocations(store, known, options.onEnded)

  async function open({ subject, sid, claims, fromUserinfo, refreshToken, idToken, tokenEnd }: Login): Promise<string> {
    toIdentity(claims) // who could not be anybody gets no session
    const id = createSessionId()
    const endsAt = now() + rules.lifetime
    const times = { endsAt, ...freshness(now(), refreshToken === undefined ? undefined : tokenEnd, endsAt) }
    const value = seal.close(id, { subject, sid, claims, fromUserinfo, refreshToken, idToken, ...times })
    if (value === undefined) throw new GatewayError('login_failed', 'the provider’s claims and tokens are too large')
    const lists = [indexOf('sub', subject), ...(sid === undefined ? [] : [indexOf('sid', sid)])]
    // Listed first: whatever session there is can be ended by the provider.
    for (const list of lists) await store.enlist(list, keyOf(id), rules.lifetime)
    await store.put(keyOf(id), value, Math.min(rules.idleTimeout, rules.lifetime))
    for (const list of lists) await endSurplus(list, keyOf(id))
    return id
  }

  /** Ends the oldest sessions of a list that is too long: one user's sign-ins must not evict the sessions of others. */
  async function endSurplus(list: string, key: string): Promise<void> {
    // Listed again: before it was stored, another sign-in could mistake it for one that has ended.
    if ((await store.enlist(list, key, rules.lifetime)) <= maxListed) return
    const listed = await store.list(list)
    const areThere = await Promise.all(listed.map(store.has))
    const open = listed.filter((_key, at) => areThere[at])
    const surplus = open.slice(0, Math.max(0, open.length - maxListed))
    await Promise.all(surplus.map(endings.end))
    await store.delist(list, [...listed.filter((_key, at) => !areThere[at]), ...surplus])
  }

  return Object.freeze({
    find: createFindSession(options, known, endings),
    read: (id: string) =>
      orUnavailable(async () => {
        const value = await store.get(keyOf(id))
        return value === undefined || endings.hasEnded(keyOf(id)) ? undefined : seal.open(id, value)
      }),
    open: (login: Login) => orUnavailable(() => open(login)),
    end: (id: string) =>
      endings.end(keyOf(id)).then(
        () => {},
        () => {},
      ),
    endAll: (kind: 'sub' | 'sid', value: string) =>
      orUnavailable(async () => {
        const ended = await Promise.all((await store.list(indexOf(kind, value))).map(endings.end))
        return ended.filter(Boolean).length
      }),
    note({ key, what }: SessionEvent) {
      if (what === 'ended') return endings.note(key)
      const id = known.idOf(key)
      const held = id === undefined ? undefined : known.get(id)
      if (held) held.lookAt = 0
    },
    recheckAll() {
      endings.payOwed()
      for (const held of known.values()) held.lookAt = Math.min(held.lookAt, monotonicNow() + Math.random() * spread)
    },
  })
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof GatewayError ? error : unavailable(error)
  }
}

import type { MaybePromise } from '../async/maybe-promise.ts'
import type { Identity } from '../auth/identity.ts'
import { GatewayError } from '../http/errors.ts'
import { createRefresh, type Refreshed, type RefreshOptions } from './refresh.ts'
import type { Revocations } from './revocations.ts'
import type { Session } from './session.ts'
import type { CachedSession, SessionCache } from './session-cache.ts'
import { keyOf } from './session-id.ts'
import { unavailable } from './unavailable.ts'

export type FindOptions = RefreshOptions &
  Readonly<{
    /** Claims → identity. Throws GatewayError identity_invalid. */
    toIdentity: (claims: Readonly<Record<string, unknown>>) => Identity
    /** A refresh failed, and why. */
    onFailure: (error: unknown) => void
  }>

type Found = Exclude<Refreshed, { kind: 'over' }>

export type FindSession = (id: string) => MaybePromise<Identity | undefined>

/** How often a session that is known here is looked up in the store, and told to it when it is used, in milliseconds. */
const lookEvery = 30_000
/** How long a store or a provider that failed is let rest, in milliseconds. */
const rest = 5000

const stale = new GatewayError(
  'provider_unavailable',
  'refreshes bring no ID token, and userinfo does not return its username or groups: the user has to sign in again',
)

/** Finds sessions: those known here at once, without the store; what has to be looked at meanwhile is, in the background. */
export function createFindSession(options: FindOptions, known: SessionCache, endings: Revocations): FindSession {
  const { store, seal, rules, toIdentity, now, monotonicNow, onFailure } = options
  const refresh = createRefresh(options)
  const flights = new Map<string, Promise<CachedSession | undefined>>()

  function find(id: string): MaybePromise<Identity | undefined> {
    const held = known.get(id)
    if (held === undefined) return look(id).then(serve)
    const [time, uptime] = [now(), monotonicNow()]
    if (uptime - held.usedAt >= rules.idleTimeout || time >= held.endsAt) {
      known.drop(id) // unless it was used elsewhere: the store knows
      return look(id).then(serve)
    }
    held.usedAt = uptime
    if (time >= held.freshUntil && uptime >= held.retryAt) return look(id).then(serve)
    if (uptime >= held.lookAt) look(id).catch(() => {})
    return serve(held)
  }

  function serve(held: CachedSession | undefined): Identity | undefined {
    if (held === undefined || now() < lastMoment(held)) return held?.identity
    throw new GatewayError('provider_unavailable', 'the session’s claims are old, and the provider gives no fresh ones')
  }

  function lastMoment({ freshUntil, endsAt }: CachedSession): number {
    return Math.min(freshUntil + rules.grace, endsAt)
  }

  /** One look at a time for each session. */
  function look(id: string): Promise<CachedSession | undefined> {
    const flight = flights.get(id)
    if (flight) return flight
    const looking = lookUp(id).finally(() => flights.delete(id))
    flights.set(id, looking)
    return looking
  }

  async function lookUp(id: string): Promise<CachedSession | undefined> {
    const key = keyOf(id)
    if (endings.hasEnded(key)) return undefined
    const held = known.get(id)
    let value: string | undefined
    try {
      if (held?.unsaved) await save(held)
      value = await store.get(key)
    } catch (cause) {
      if (held === undefined) throw unavailable(cause)
      held.lookAt = held.retryAt = monotonicNow() + rest
      return held
    }
    endings.payOwed()
    const session = value === undefined ? undefined : seal.open(id, value)
    if (session === undefined || session.endsAt <= now()) return noMore(id, key)
    const isDue =
      session.refreshToken !== undefined && now() >= session.refreshAt && monotonicNow() >= (held?.retryAt ?? 0)
    const refreshed: Refreshed = isDue ? await refresh(id, key, value!, session) : { kind: 'current', session }
    if (refreshed.kind === 'over' || endings.hasEnded(key)) return noMore(id, key)
    if (refreshed.kind === 'failed' && refreshed.error !== undefined) onFailure(refreshed.error)
    const identity = identityOf(refreshed.session)
    if (identity !== undefined) return keep(id, key, refreshed, identity)
    // A new sign-in gets fresh claims, or reports what is wrong with them.
    await endings.end(key).catch(() => {})
    return undefined
  }

  function identityOf(session: Session): Identity | undefined {
    try {
      if (!canBeFresh(session)) throw stale
      return toIdentity(session.claims)
    } catch (error) {
      onFailure(error)
      return undefined
    }
  }

  /** False if the provider accepted the refresh but did not confirm the username or the groups. */
  function canBeFresh({ refreshAt, freshUntil }: Session): boolean {
    return now() < freshUntil + rules.grace || now() >= refreshAt
  }

  function noMore(id: string, key: string): undefined {
    if (known.get(id)) endings.note(key) // only then: anybody can make ids up
  }

  function keep(id: string, key: string, { kind, session, unsaved }: Found, identity: Identity): CachedSession {
    const held = known.get(id)
    const uptime = monotonicNow()
    const retryAt = kind === 'failed' ? uptime + rest : (held?.retryAt ?? 0)
    // Setting the clock moves the refresh, but does not delay the next lookup.
    const refreshIn = (session.refreshToken === undefined ? session.endsAt : session.refreshAt) - now()
    const next: CachedSession = {
      key,
      // The same object while nothing has changed: what follows from it is remembered.
      identity: held && isSame(held.identity, identity) ? held.identity : identity,
      freshUntil: session.freshUntil,
      endsAt: session.endsAt,
      lookAt: uptime + Math.min(lookEvery, Math.max(refreshIn, retryAt - uptime)),
      usedAt: uptime,
      touchedAt: touch(key, session, held?.touchedAt ?? Number.NEGATIVE_INFINITY),
      retryAt,
      unsaved,
    }
    known.set(id, next)
    return next
  }

  function touch(key: string, { endsAt }: Session, touchedAt: number): number {
    const uptime = monotonicNow()
    if (uptime - touchedAt < Math.min(lookEvery, rules.idleTimeout / 10)) return touchedAt
    store.touch(key, Math.min(rules.idleTimeout, endsAt - now())).catch(() => {})
    return uptime
  }

  async function save(held: CachedSession): Promise<void> {
    const { claimant, value } = held.unsaved!
    await store.finish(held.key, claimant, value, Math.min(rules.idleTimeout, held.endsAt - now()))
    held.unsaved = undefined
  }

  return find
}

function isSame(a: Identity, b: Identity): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

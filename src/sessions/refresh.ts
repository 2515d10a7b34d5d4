import { randomBytes } from 'node:crypto'
import { freshness, type Session, type SessionRules } from './session.ts'
import type { SessionSeal } from './session-seal.ts'
import type { Claim, SessionStore } from './store.ts'

/** What the provider gave for a refresh token, or for the code of a login. */
export type Granted = Readonly<{
  refreshToken?: string | undefined
  idToken?: string | undefined
  /** Undefined where the provider could not be asked for them: those known so far stay, and age. */
  claims: Readonly<Record<string, unknown>> | undefined
  /** The names of the claims from the userinfo endpoint. */
  fromUserinfo: readonly string[]
  /** False if username or groups come from a source that was not asked this time: they age as after a failed refresh. */
  isFresh: boolean
  /** Milliseconds since 1970. */
  tokenEnd: number
}>

/**
 * Redeems a refresh token. Resolves to `refused` when the provider says that it is good no more, and to `unanswered` when
 * it may or may not have redeemed it; rejects when it has not.
 */
export type Redeem = (refreshToken: string, session: Session) => Promise<Granted | 'refused' | Unanswered>

export type Unanswered = Readonly<{ unanswered: unknown }>

/** `current`: as fresh as can be · `failed`: the provider, the store or another replica let us down · `over`: logged out */
export type Refreshed =
  | Readonly<{ kind: 'current'; session: Session; unsaved?: Unsaved }>
  | Readonly<{ kind: 'failed'; session: Session; unsaved?: Unsaved; error?: unknown }>
  | Readonly<{ kind: 'over' }>

export type Unsaved = Readonly<{ claimant: string; value: string }>

export type RefreshOptions = Readonly<{
  store: SessionStore
  seal: SessionSeal
  redeem: Redeem
  rules: SessionRules
  now: () => number
  /** For intervals: milliseconds of a monotonic clock. */
  monotonicNow: () => number
  sleep: (milliseconds: number) => Promise<void>
}>

/** How long we wait for another replica that is redeeming, and how often we look, in milliseconds. */
const patience = 5000
const lookEvery = 50
/** Whoever has been redeeming for so long got no answer, in milliseconds: no call to the provider may take that long. */
const longestRedeem = 120_000

const over = { kind: 'over' } as const

/** One replica redeems a refresh token, once; the others wait for what it gets. */
export function createRefresh({ store, seal, redeem, rules, now, sleep }: RefreshOptions) {
  return async function refresh(id: string, key: string, value: string, session: Session): Promise<Refreshed> {
    const claimant = `${now()}-${randomBytes(12).toString('base64url')}`
    let granted: Awaited<ReturnType<Redeem>>
    try {
      const claim = await claimFor(claimant, key, value, session)
      if (claim === 'gone') return over
      if (claim !== 'granted') return awaitOther(id, key, value, session)
    } catch {
      return { kind: 'failed', session } // without the store nobody knows whether he is alone
    }
    try {
      granted = await redeem(session.refreshToken!, session)
    } catch (error) {
      await store.release(key, claimant).catch(() => {})
      return { kind: 'failed', session, error }
    }
    // The claim stands: the token may be spent, and to show it again might cost the session.
    if (granted !== 'refused' && 'unanswered' in granted) return { kind: 'failed', session, error: granted.unanswered }
    const renewed = granted === 'refused' ? undefined : renew(session, granted)
    const sealed = renewed && seal.close(id, renewed)
    if (renewed === undefined || sealed === undefined) {
      await store.end(key).catch(() => {})
      return over
    }
    const kind = granted === 'refused' || granted.claims === undefined ? 'failed' : 'current'
    try {
      const isStored = await store.finish(key, claimant, sealed, Math.min(rules.idleTimeout, session.endsAt - now()))
      return isStored ? { kind, session: renewed } : over
    } catch {
      // The claim stands, so nobody redeems the old token; the new one is ours to store as soon as we can.
      return { kind, session: renewed, unsaved: { claimant, value: sealed } }
    }
  }

  /** A token that may be spent is tried again when there is nothing left to lose. */
  async function claimFor(claimant: string, key: string, value: string, session: Session): Promise<Claim> {
    const claim = await store.claim(key, value, claimant)
    const isLastResort =
      typeof claim === 'object' && isGivenUp(claim.takenBy) && now() >= session.freshUntil + rules.grace
    return isLastResort ? store.claim(key, value, claimant, claim.takenBy) : claim
  }

  function renew(session: Session, granted: Granted): Session {
    const { refreshToken, idToken, claims, fromUserinfo, isFresh, tokenEnd } = granted
    const { freshUntil, refreshAt } = freshness(now(), tokenEnd, session.endsAt)
    return {
      ...session,
      refreshToken: refreshToken ?? session.refreshToken,
      idToken: idToken ?? session.idToken,
      ...(claims !== undefined && { claims, fromUserinfo, refreshAt, ...(isFresh && { freshUntil }) }),
    }
  }

  async function awaitOther(id: string, key: string, value: string, session: Session): Promise<Refreshed> {
    for (let waited = 0; ; waited += lookEvery) {
      const stored = await store.get(key)
      const found = stored === undefined ? undefined : seal.open(id, stored)
      if (found === undefined) return over
      if (stored !== value) return { kind: 'current', session: found }
      // Before the claims are old there is nothing to wait for.
      if (now() < session.freshUntil || waited >= patience) return { kind: 'failed', session }
      await sleep(lookEvery)
    }
  }

  function isGivenUp(claimant: string): boolean {
    return now() - Number(claimant.split('-')[0]) > longestRedeem
  }
}

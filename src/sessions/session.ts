import { GatewayError } from '../http/errors.ts'

/** The session of a signed-in user, stored as encrypted JSON. Times in milliseconds since 1970. */
export type Session = Readonly<{
  subject: string
  /** The id of the session at the provider, if the provider sends an id. */
  sid?: string | undefined
  /** The claims of the ID token and of the userinfo endpoint. */
  claims: Readonly<Record<string, unknown>>
  /**
   * The names of the claims from the userinfo endpoint; the others are from the ID token. Sessions of older releases lack this
   * list, so all their claims count as claims of the ID token.
   */
  fromUserinfo?: readonly string[] | undefined
  refreshToken?: string | undefined
  /** Sent to the provider at logout, to identify the session to end (`id_token_hint`). */
  idToken?: string | undefined
  /** When the claims become stale: at the expiry of the access token, or at the end of a session that cannot be refreshed. */
  freshUntil: number
  /** When to start requesting fresh claims. */
  refreshAt: number
  endsAt: number
  /** When the user signed in, and with which browser. Sessions of older releases lack both. */
  signedInAt?: number | undefined
  browser?: string | undefined
}>

/** What a user's list of sessions shows, sealed beside the session: only the user's cookie opens the session itself. */
export type SessionDescription = Readonly<{ username: string }> & Pick<Session, 'signedInAt' | 'browser'>

/** Why a session has ended without a sign-out, as far as this process learns of it. */
export type SessionEnd = Readonly<{
  /** Undefined if the claims give no username. */
  username: string | undefined
  reason: 'refresh_rejected' | 'claims_unusable' | 'user_changed' | 'idle_timeout' | 'lifetime' | 'too_many_sessions'
}>

/** Thrown for claims whose user has been removed, disabled or changed since the sign-in. */
export class UserChangedError extends GatewayError {
  constructor(username: string | undefined) {
    const detail = 'the user has been removed, disabled or changed since the sign-in'
    super('identity_invalid', detail, username === undefined ? {} : { username })
  }
}

export type SessionTimeouts = Readonly<{
  /** A session that is unused for this long ends. */
  idleTimeoutMs: number
  /** A session ends this long after the sign-in, even if it is in use. */
  lifetimeMs: number
  /** How long stale claims that could not be refreshed are still accepted. */
  graceMs: number
}>

/** A token is refreshed this long before its expiry, or after four fifths of its lifetime, whichever is later. */
const maxRefreshMarginMs = 60_000

/** @param tokenExpiresAt undefined if the session cannot be refreshed */
export function refreshTimes(now: number, tokenExpiresAt: number | undefined, endsAt: number) {
  if (tokenExpiresAt === undefined) return { freshUntil: endsAt, refreshAt: endsAt }
  const freshUntil = Math.min(tokenExpiresAt, endsAt)
  return { freshUntil, refreshAt: freshUntil - Math.min(maxRefreshMarginMs, Math.max(0, freshUntil - now) / 5) }
}

/** What is known of somebody who has logged in. Kept sealed; times in milliseconds since 1970. */
export type Session = Readonly<{
  subject: string
  /** The provider's own id of its session, where it has one. */
  sid?: string | undefined
  /** What the provider says of the user. */
  claims: Readonly<Record<string, unknown>>
  /**
   * The names of the claims from the userinfo endpoint; the others are from the ID token. Sessions of older releases have no such
   * list: their claims count as those of the ID token.
   */
  fromUserinfo?: readonly string[] | undefined
  refreshToken?: string | undefined
  /** Tells the provider, at logout, whose session is meant. */
  idToken?: string | undefined
  /** From here on the claims are taken for old: the end of the access token, or of the session where nothing can be refreshed. */
  freshUntil: number
  /** From when on fresh claims are asked for. */
  refreshAt: number
  endsAt: number
}>

export type SessionRules = Readonly<{
  /** How long a session may lie unused, in milliseconds. */
  idleTimeout: number
  /** How long a session lives at the most, in milliseconds. */
  lifetime: number
  /** How long claims that could not be refreshed are still believed, in milliseconds. */
  grace: number
}>

/** How long before a token's end it is refreshed at the latest, in milliseconds; a fifth of its life where that is less. */
const longestMargin = 60_000

/** @param tokenEnd undefined where nothing can be refreshed */
export function freshness(now: number, tokenEnd: number | undefined, endsAt: number) {
  if (tokenEnd === undefined) return { freshUntil: endsAt, refreshAt: endsAt }
  const freshUntil = Math.min(tokenEnd, endsAt)
  return { freshUntil, refreshAt: freshUntil - Math.min(longestMargin, Math.max(0, freshUntil - now) / 5) }
}

import { type ClaimMappings, type Claims, findClaim } from './claims.ts'

/** Claims, and the names of those from the userinfo endpoint. All others are from the ID token. */
export type SourcedClaims = Readonly<{ claims: Claims; fromUserinfo: readonly string[] }>

/** The current response of each source; undefined for a source that was not asked. */
export type ReceivedClaims = Readonly<{ idToken?: Claims | undefined; userinfo?: Claims | undefined }>

export type CombinedClaims = SourcedClaims &
  Readonly<{
    /** False if the username or the groups come from a source that was not asked this time. */
    isFresh: boolean
  }>

export type CombineClaims = (received: ReceivedClaims, previous?: SourcedClaims) => CombinedClaims

/**
 * One set of claims from the ID token and the userinfo endpoint, which takes precedence. Many providers omit a claim
 * that has become empty, so a claim that its source no longer returns is removed. A claim whose source was not asked is kept, but
 * is not fresh. Pure.
 */
export function createCombineClaims(mappings: Pick<ClaimMappings, 'username' | 'email' | 'groups'>): CombineClaims {
  const accessPaths = [mappings.username, mappings.groups]
  const emailPaths = mappings.username === 'email' ? ['email', mappings.email] : [mappings.email]

  return function combineClaims(received, previous) {
    const kept = previous === undefined ? {} : keepUnasked(previous, received)
    const merged = { ...kept, ...received.idToken, ...received.userinfo }
    const hasLostGroups = isLost(mappings.groups, previous?.claims, merged)
    const claims = hasLostGroups ? { ...merged, [mappings.groups]: [] } : merged
    const stale = new Set(Object.keys(kept).filter((name) => !isReceived(name, received)))
    const isEmailVerified = emailPaths.every((path) => isVerifiedAddress(path, claims, received, previous))
    return {
      claims: isEmailVerified ? claims : { ...claims, email_verified: false },
      fromUserinfo: namesFromUserinfo(),
      isFresh: ![...stale].some((name) => accessPaths.some((path) => holds(name, path))),
    }

    function namesFromUserinfo(): string[] {
      const { userinfo } = received
      if (userinfo === undefined) return (previous?.fromUserinfo ?? []).filter((name) => stale.has(name))
      // The empty list of groups counts as a claim of userinfo, so that whichever source is asked next replaces it.
      return hasLostGroups ? [...Object.keys(userinfo), mappings.groups] : Object.keys(userinfo)
    }
  }
}

/** The previous claims whose source was not asked. */
function keepUnasked({ claims, fromUserinfo }: SourcedClaims, { idToken, userinfo }: ReceivedClaims): Claims {
  const names = new Set(fromUserinfo)
  const isKept = (name: string) => (names.has(name) ? userinfo : idToken) === undefined
  return Object.fromEntries(Object.entries(claims).filter(([name]) => isKept(name)))
}

/**
 * Whether groups that the provider sent before are missing now: they become an empty list. Groups that were always missing stay so,
 * because of a possible error in the configuration. So do groups that the provider omits because there are too many (claims.ts).
 */
function isLost(path: string, previous: Claims | undefined, claims: Claims): boolean {
  return (
    (findClaim(previous, path) ?? null) !== null &&
    (findClaim(claims, path) ?? null) === null &&
    claims._claim_names === undefined &&
    claims.hasgroups === undefined
  )
}

function isReceived(name: string, { idToken, userinfo }: ReceivedClaims): boolean {
  return [idToken, userinfo].some((source) => source !== undefined && Object.hasOwn(source, name))
}

/** Whether `email_verified` is about the address at this path, and not about a previous one or one from the other source. */
function isVerifiedAddress(
  path: string,
  claims: Claims,
  { idToken, userinfo }: ReceivedClaims,
  previous: SourcedClaims | undefined,
): boolean {
  const address = findClaim(claims, path)
  if (address === undefined) return true
  const verifier = [userinfo, idToken].find((source) => source?.email_verified !== undefined)
  if (verifier === undefined) {
    const wasStated = previous?.claims.email_verified !== undefined
    return !wasStated || findClaim(previous?.claims, path) === address
  }
  const verifiedAddress = findClaim(verifier, path)
  if (verifiedAddress !== undefined) return verifiedAddress === address
  return findClaim(userinfo, path) === address || findClaim(idToken, path) === address
}

/** Whether the claim of that name is the one at the path, or contains it: see `findClaim`. */
function holds(name: string, path: string): boolean {
  return path === name || path.startsWith(`${name}.`)
}

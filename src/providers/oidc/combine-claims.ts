import { type ClaimMappings, type Claims, findClaim } from './claims.ts'

/** Claims, and the names of those that the userinfo endpoint returned. The other claims are from the ID token. */
export type SourcedClaims = Readonly<{ claims: Claims; fromUserinfo: readonly string[] }>

/** The claims that each source returned this time; undefined for a source that was not read. */
export type ReceivedClaims = Readonly<{ idToken?: Claims | undefined; userinfo?: Claims | undefined }>

export type CombinedClaims = SourcedClaims &
  Readonly<{
    /** False if username or groups are claims of a source that was not read this time. */
    isFresh: boolean
  }>

export type CombineClaims = (received: ReceivedClaims, previous?: SourcedClaims) => CombinedClaims

/**
 * Combines the claims of the ID token and of the userinfo endpoint, which takes precedence, without side effects. Many
 * providers omit a claim that has become empty, so a claim that its source no longer returns is removed. Claims of a
 * source that was not read are kept.
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
      // The empty list of groups is recorded as a claim of userinfo, so that the next response of either source
      // replaces it.
      return hasLostGroups ? [...Object.keys(userinfo), mappings.groups] : Object.keys(userinfo)
    }
  }
}

/** The previous claims whose source was not read. */
function keepUnasked({ claims, fromUserinfo }: SourcedClaims, { idToken, userinfo }: ReceivedClaims): Claims {
  const names = new Set(fromUserinfo)
  const isKept = (name: string) => (names.has(name) ? userinfo : idToken) === undefined
  return Object.fromEntries(Object.entries(claims).filter(([name]) => isKept(name)))
}

/**
 * Whether groups that the provider sent before are missing now, which makes them an empty list. Groups that were always
 * missing are not lost, because the configured path may be wrong; nor are groups that the provider omits because there
 * are too many (see claims.ts).
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

/**
 * Whether `email_verified` applies to the address at this path, and not to a previous address or one from the other
 * source.
 */
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

/** Whether the claim at a path is in the top-level claim with this name (see `findClaim`). */
function holds(name: string, path: string): boolean {
  return path === name || path.startsWith(`${name}.`)
}

import { type ClaimMappings, type Claims, findClaim } from './claims.ts'

/** Claims, and the names of those from the userinfo endpoint. All others are from the ID token. */
export type SourcedClaims = Readonly<{ claims: Claims; fromUserinfo: readonly string[] }>

/** The current response of each source; undefined for a source that was not asked. */
export type ReceivedClaims = Readonly<{ idToken?: Claims | undefined; userinfo?: Claims | undefined }>

export type CombinedClaims = SourcedClaims &
  Readonly<{
    /** False where username or groups come from a source that was not asked this time. */
    isFresh: boolean
  }>

export type CombineClaims = (given: ReceivedClaims, former?: SourcedClaims) => CombinedClaims

/**
 * One set of claims from the ID token and the userinfo endpoint, which takes precedence. Many providers omit a claim
 * that has become empty, so a claim that its source no longer returns is removed. A claim whose source was not asked is kept, but
 * is not fresh. Pure.
 */
export function createCombineClaims(mappings: Pick<ClaimMappings, 'username' | 'email' | 'groups'>): CombineClaims {
  const deciding = [mappings.username, mappings.groups]
  /** Groups that disappear become an empty list; a claim that was never there may be a configuration error. */
  const hasLostGroups = (former: Claims | undefined, claims: Claims) =>
    (findClaim(former, mappings.groups) ?? null) !== null &&
    (findClaim(claims, mappings.groups) ?? null) === null &&
    claims._claim_names === undefined && // omitted because there are too many: see claims.ts
    claims.hasgroups === undefined
  const addresses = mappings.username === 'email' ? ['email', mappings.email] : [mappings.email]

  return function combineClaims({ idToken, userinfo }, former) {
    const kept = former === undefined ? {} : keep(former, { idToken, userinfo })
    const given = { ...kept, ...idToken, ...userinfo }
    const isEmptied = hasLostGroups(former?.claims, given)
    const claims = isEmptied ? { ...given, [mappings.groups]: [] } : given
    const isFresh = !Object.keys(kept).some((name) => !isGiven(name) && deciding.some((path) => holds(name, path)))
    const isTrusted = addresses.every((path) => isVouchedFor(path))
    return {
      claims: isTrusted ? claims : { ...claims, email_verified: false },
      fromUserinfo: fromUserinfo(),
      isFresh,
    }

    function fromUserinfo(): string[] {
      if (userinfo === undefined) return (former?.fromUserinfo ?? []).filter(isKept)
      // The source that is asked next time returns it again.
      return isEmptied ? [...Object.keys(userinfo), mappings.groups] : Object.keys(userinfo)
    }

    function isGiven(name: string): boolean {
      return [idToken, userinfo].some((source) => source !== undefined && Object.hasOwn(source, name))
    }

    function isKept(name: string): boolean {
      return Object.hasOwn(kept, name) && !isGiven(name)
    }

    /** Whether `email_verified` is about this address, and not about a former one or one from the other source. */
    function isVouchedFor(path: string): boolean {
      const address = findClaim(claims, path)
      if (address === undefined) return true
      const speaker = [userinfo, idToken].find((source) => source?.email_verified !== undefined)
      if (speaker === undefined) {
        const wasSaid = former?.claims.email_verified !== undefined
        return !wasSaid || findClaim(former?.claims, path) === address
      }
      const spokenOf = findClaim(speaker, path)
      if (spokenOf !== undefined) return spokenOf === address
      return findClaim(userinfo, path) === address || findClaim(idToken, path) === address
    }
  }
}

/** The claims whose source was not asked. */
function keep({ claims, fromUserinfo }: SourcedClaims, { idToken, userinfo }: ReceivedClaims): Claims {
  const names = new Set(fromUserinfo)
  const isKept = (name: string) => (names.has(name) ? userinfo : idToken) === undefined
  return Object.fromEntries(Object.entries(claims).filter(([name]) => isKept(name)))
}

/** Whether the claim of that name is the one at the path, or contains it: see `findClaim`. */
function holds(name: string, path: string): boolean {
  return path === name || path.startsWith(`${name}.`)
}

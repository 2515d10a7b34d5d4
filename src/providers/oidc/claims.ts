import type { Identity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import { trimBlanks } from '../header/trim-blanks.ts'

export type Claims = Readonly<Record<string, unknown>>

export type ClaimMappings = Readonly<{
  /** Claims by their names; dots go into objects. */
  username: string
  email: string
  groups: string
  full_name: string
}>

export type ToIdentityOptions = Readonly<{
  claimMappings: ClaimMappings
  /** Put before each username, so that nobody is the namesake of another provider’s user. */
  addUsernamePrefix?: string | undefined
  /** Only groups that begin with it count, and they count without it. */
  stripGroupPrefix?: string | undefined
  /** What stands between two groups where they come as one text; without it, such a text is one group. */
  groupsSeparator?: string | undefined
  provider: string
}>

export type ToIdentity = (claims: Claims) => Identity

/**
 * Claims of a verified token or session → identity. Pure.
 * @throws GatewayError identity_invalid where a claim is missing, of another kind, or left out by the provider
 */
export function createToIdentity(options: ToIdentityOptions): ToIdentity {
  const { claimMappings, addUsernamePrefix = '', stripGroupPrefix = '', groupsSeparator, provider } = options

  return function toIdentity(claims) {
    const username = usernameOf(claims)
    const named = groupsOf(claims)
    const groups = (named ?? [])
      .filter((group) => group.startsWith(stripGroupPrefix))
      .map((group) => group.slice(stripGroupPrefix.length))
      .filter((group) => group !== '')
    const email = isUnverified(claims) ? '' : textOf(claims, claimMappings.email)
    const name = textOf(claims, claimMappings.full_name)
    return Object.freeze({
      username: addUsernamePrefix + username,
      groups: Object.freeze([...new Set(groups)]),
      ...(named === undefined && { groupsMissing: true }),
      ...(email && { email }),
      ...(name && { name }),
      provider,
    })
  }

  function usernameOf(claims: Claims): string {
    const claim = claimMappings.username
    const username = findClaim(claims, claim)
    if (typeof username !== 'string' || username === '')
      throw invalid(`there is no text in the claim ${claim} (oidc.claim_mappings.username)`)
    // Who may write any address into their profile could be anybody.
    if ((claim === 'email' || claim === claimMappings.email) && isUnverified(claims))
      throw invalid('the username is an e-mail address that the provider has not verified')
    return username
  }

  /** Undefined if the provider sends no information about groups. */
  function groupsOf(claims: Claims): readonly string[] | undefined {
    const claim = claimMappings.groups
    const found = findClaim(claims, claim)
    if (found === undefined || found === null) {
      if (isLeftOut(claims, claim))
        throw invalid(`the provider left ${claim} out, because they are too many: see docs/providers/entra-id.md`)
      return undefined
    }
    if (typeof found === 'string')
      return groupsSeparator === undefined ? [found] : found.split(groupsSeparator).map(trimBlanks)
    if (Array.isArray(found) && found.every((group) => typeof group === 'string')) return found
    throw invalid(`the claim ${claim} (oidc.claim_mappings.groups) is no list of texts`)
  }
}

/**
 * A claim by its path: `realm_access.roles`. A name with dots of its own (`https://example.com/groups`) goes before the
 * path, at every level. Only what the document itself holds is found.
 */
export function findClaim(claims: unknown, path: string): unknown {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined
  if (Object.hasOwn(claims, path)) return (claims as Claims)[path]
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1)) {
    const name = path.slice(0, dot)
    if (!Object.hasOwn(claims, name)) continue
    const found = findClaim((claims as Claims)[name], path.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

function textOf(claims: Claims, path: string): string {
  const found = findClaim(claims, path)
  return typeof found === 'string' ? found : ''
}

/** Many providers never say (Entra ID, Cloudflare, Google IAP): only an explicit no counts. Cognito says it as text. */
function isUnverified({ email_verified: verified }: Claims): boolean {
  return verified === false || verified === 'false'
}

/** Entra ID beyond 200 groups: a reference in their place (OpenID Connect Core, 5.6.2), or `hasgroups`. */
function isLeftOut(claims: Claims, claim: string): boolean {
  return (
    findClaim(claims._claim_names, claim) !== undefined ||
    (claim === 'groups' && (claims.hasgroups === true || claims.hasgroups === 'true'))
  )
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}

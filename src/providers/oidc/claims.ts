import type { Identity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import { trimBlanks } from '../header/trim-blanks.ts'

export type Claims = Readonly<Record<string, unknown>>

/** The paths of the claims, in which a dot separates the names of nested objects. */
export type ClaimMappings = Readonly<{
  username: string
  email: string
  groups: string
  full_name: string
}>

export type ToIdentityOptions = Readonly<{
  claimMappings: ClaimMappings
  /** A prefix for every username, so that users of two providers never have the same name. */
  addUsernamePrefix?: string | undefined
  /** Only groups with this prefix are used, and the prefix is removed. */
  stripGroupPrefix?: string | undefined
  /** The separator of groups that the provider sends as one string. Without it, such a string is one group. */
  groupsSeparator?: string | undefined
  provider: string
}>

/** @param authenticatedAt see `Identity` */
export type ToIdentity = (claims: Claims, authenticatedAt?: number) => Identity

/**
 * Creates the function that converts the claims of a verified token or session to an identity, without side effects.
 * @throws GatewayError identity_invalid if a claim is missing, has another type, or was omitted by the provider
 */
export function createToIdentity(options: ToIdentityOptions): ToIdentity {
  const { claimMappings, addUsernamePrefix = '', stripGroupPrefix = '', groupsSeparator, provider } = options

  return function toIdentity(claims, authenticatedAt) {
    const username = usernameOf(claims, claimMappings)
    const groupNames = groupsOf(claims, claimMappings.groups, groupsSeparator)
    const groups = (groupNames ?? [])
      .filter((group) => group.startsWith(stripGroupPrefix))
      .map((group) => group.slice(stripGroupPrefix.length))
      .filter((group) => group !== '')
    const email = isUnverified(claims) ? '' : stringOf(claims, claimMappings.email)
    const name = stringOf(claims, claimMappings.full_name)
    return Object.freeze({
      username: addUsernamePrefix + username,
      groups: Object.freeze([...new Set(groups)]),
      ...(groupNames === undefined && { groupsMissing: true }),
      ...(email && { email }),
      ...(name && { name }),
      provider,
      ...(authenticatedAt !== undefined && { authenticatedAt }),
    })
  }
}

function usernameOf(claims: Claims, claimMappings: ClaimMappings): string {
  const path = claimMappings.username
  const username = findClaim(claims, path)
  if (typeof username !== 'string' || username === '')
    throw invalid(`the claim ${path} (oidc.claim_mappings.username) is missing or not a string`)
  // Some providers let users enter any address into their profile, so with an unverified address they could impersonate
  // others.
  if ((path === 'email' || path === claimMappings.email) && isUnverified(claims))
    throw invalid('the username is an email address that the provider has not verified')
  return username
}

/** The groups at a path; undefined if the provider sends no information about groups. */
function groupsOf(claims: Claims, path: string, separator: string | undefined): readonly string[] | undefined {
  const groups = findClaim(claims, path)
  if (groups === undefined || groups === null) {
    if (isOmitted(claims, path))
      throw invalid(
        `the provider omitted ${path}, because there are too many: let it send only the groups that are assigned to this application, or app roles`,
      )
    return undefined
  }
  if (typeof groups === 'string') return separator === undefined ? [groups] : groups.split(separator).map(trimBlanks)
  if (Array.isArray(groups) && groups.every((group) => typeof group === 'string')) return groups
  throw invalid(`the claim ${path} (oidc.claim_mappings.groups) is not a list of strings`)
}

/**
 * Finds a claim by its path, such as `realm_access.roles`. At every level, a name that itself contains dots
 * (`https://example.com/groups`) takes precedence over a nested path. Inherited properties are ignored.
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

function stringOf(claims: Claims, path: string): string {
  const found = findClaim(claims, path)
  return typeof found === 'string' ? found : ''
}

/**
 * Whether the provider states that the address is not verified. A missing `email_verified` does not count, because many
 * providers never send it (Entra ID, Cloudflare, Google IAP). Cognito sends a string.
 */
function isUnverified({ email_verified: verified }: Claims): boolean {
  return verified === false || verified === 'false'
}

/**
 * Whether the provider omitted a claim that is too long. For more than 200 groups, Entra ID sends a reference (OpenID
 * Connect Core, section 5.6.2) or `hasgroups` instead.
 */
function isOmitted(claims: Claims, path: string): boolean {
  return (
    findClaim(claims._claim_names, path) !== undefined ||
    (path === 'groups' && (claims.hasgroups === true || claims.hasgroups === 'true'))
  )
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}

import { GatewayError } from '../http/errors.ts'
import type { Identity } from './identity.ts'

export type RoleRules = Readonly<{
  /** Group pattern → role templates. `*` in a pattern matches any characters, `{group}` in a template is the group's name. */
  mappings: Readonly<Record<string, readonly string[]>>
  defaultRoles: readonly string[]
  /** If set, the user must be in one of these groups. */
  allowedGroups?: readonly string[] | undefined
}>

export type MapRoles = (identity: Identity) => readonly string[]

/** A role of a user, and where it comes from. */
export type RoleGrant = Readonly<{
  role: string
  /** The group and the entry of the mappings that matches it; undefined for a default role. */
  source: Readonly<{ group: string; mapping: string }> | undefined
  /** False for a name that Elasticsearch does not accept: the user does not get this role. */
  isValid: boolean
}>

/** The role names that Elasticsearch accepts: up to 507 characters of printable ASCII, without a space at either end. */
const roleNamePattern = /^[!-~](?:[ -~]{0,505}[!-~])?$/

/** The maximum number of groups in a log line, because a user may have 1,000. */
const maxLoggedGroups = 20

type CompiledMapping = Readonly<{
  pattern: string
  matches: (foldedGroup: string) => boolean
  roles: readonly string[]
}>

/**
 * Maps groups to Elasticsearch roles, sorted and without duplicates. Group names are case-insensitive.
 * The returned function throws GatewayError group_denied, no_roles.
 * @param onGrant called for every role that a group or the default grants, also for the same role again
 */
export function createMapRoles(rules: RoleRules, onGrant?: (grant: RoleGrant) => void): MapRoles {
  const allowedGroups = rules.allowedGroups && new Set(rules.allowedGroups.map(foldCase))
  const mappings = Object.entries(rules.mappings).map(([pattern, roles]) => ({
    pattern,
    matches: createMatcher(pattern),
    roles,
  }))

  return function mapRoles(identity) {
    if (allowedGroups !== undefined) checkAllowed(identity, allowedGroups)
    const roles = new Set<string>()
    for (const group of identity.groups) addMappedRoles(roles, group, mappings, onGrant)
    if (roles.size === 0) {
      for (const role of rules.defaultRoles) {
        roles.add(role)
        onGrant?.({ role, source: undefined, isValid: true })
      }
    }
    if (roles.size === 0)
      throw denial('no_roles', 'no group is in group_mappings, and default_roles is empty', identity)
    return Object.freeze([...roles].sort())
  }
}

function checkAllowed(identity: Identity, allowedGroups: ReadonlySet<string>): void {
  if (identity.groups.some((group) => allowedGroups.has(foldCase(group)))) return
  throw denial('group_denied', 'no group of the user is in group_whitelist', identity)
}

function denial(code: 'group_denied' | 'no_roles', reason: string, identity: Identity): GatewayError {
  const { username } = identity
  return new GatewayError(code, `${reason}; ${describeGroups(identity)}`, { username })
}

/** For the log: what to add to group_mappings, or that the provider has to send the groups. */
function describeGroups({ groups, groupsMissing }: Identity): string {
  if (groupsMissing) return 'the provider sent no information about groups'
  if (groups.length === 0) return 'the user has no groups'
  const names = groups.slice(0, maxLoggedGroups).map((group) => JSON.stringify(group))
  const more = groups.length > maxLoggedGroups ? ` and ${groups.length - maxLoggedGroups} more` : ''
  return `the user's groups: ${names.join(', ')}${more}`
}

/** Skips a role with an invalid name, because Elasticsearch would reject the whole user. */
function addMappedRoles(
  roles: Set<string>,
  group: string,
  mappings: readonly CompiledMapping[],
  onGrant: ((grant: RoleGrant) => void) | undefined,
): void {
  const folded = foldCase(group)
  for (const { pattern, matches, roles: templates } of mappings) {
    if (!matches(folded)) continue
    for (const template of templates) {
      const role = template.replaceAll('{group}', () => group)
      const isValid = roleNamePattern.test(role)
      if (isValid) roles.add(role)
      onGrant?.({ role, source: { group, mapping: pattern }, isValid })
    }
  }
}

/** Every role that the rules name, except templates with `{group}`. */
export function fixedRoles({ mappings, defaultRoles }: RoleRules): string[] {
  const roles = [...Object.values(mappings).flat(), ...defaultRoles]
  return [...new Set(roles)].filter((role) => !role.includes('{group}'))
}

function createMatcher(pattern: string): (foldedGroup: string) => boolean {
  const folded = foldCase(pattern)
  if (!folded.includes('*')) return (group) => group === folded
  const [start = '', ...parts] = folded.split('*')
  const end = parts.pop() ?? ''
  return (group) => {
    if (!group.startsWith(start)) return false
    // Each part matches at its first position after the previous part: this takes linear time, whereas a regular expression may
    // backtrack.
    let position = start.length
    for (const part of parts) {
      const found = group.indexOf(part, position)
      if (found === -1) return false
      position = found + part.length
    }
    return group.length - end.length >= position && group.endsWith(end)
  }
}

/**
 * Converts to lower case, but only letters whose lower case converts back to the same letter. Otherwise U+212A (the Kelvin
 * sign) would become a plain k, and one group would match the name of another.
 */
function foldCase(group: string): string {
  const folded = group.toLowerCase()
  if (asciiPattern.test(group)) return folded
  return Array.from(group, (letter) => {
    const lower = letter.toLowerCase()
    return lower.toUpperCase() === letter ? lower : letter
  }).join('')
}

const asciiPattern = /^[\0-\x7f]*$/

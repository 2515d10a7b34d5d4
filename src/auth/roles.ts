import { GatewayError } from '../http/errors.ts'
import type { Identity } from './identity.ts'

export type RoleRules = Readonly<{
  /** group pattern → role templates. `*` in a pattern stands for any run of characters. */
  mappings: Readonly<Record<string, readonly string[]>>
  defaultRoles: readonly string[]
  /** When given, one of the user's groups must be in it. */
  whitelist?: readonly string[]
}>

export type MapRoles = (identity: Identity) => readonly string[]

/** What Elasticsearch takes as a role's name: printable ASCII, no blank at either end, 507 characters at most. */
const roleName = /^[!-~](?:[ -~]{0,505}[!-~])?$/

/**
 * Groups → Elasticsearch roles, sorted and without doubles. Group names have no case.
 * The returned function throws GatewayError group_denied, no_roles.
 */
export function createMapRoles(rules: RoleRules): MapRoles {
  const allowed = rules.whitelist && new Set(rules.whitelist.map(fold))
  const mappings = Object.entries(rules.mappings).map(([pattern, roles]) => ({ matches: matcher(pattern), roles }))

  return function mapRoles(identity) {
    if (allowed && !identity.groups.some((group) => allowed.has(fold(group)))) {
      throw new GatewayError('group_denied', 'no group of the user is in group_whitelist', {
        username: identity.username,
      })
    }
    const roles = new Set<string>()
    for (const group of identity.groups) {
      const folded = fold(group)
      for (const mapping of mappings) {
        if (mapping.matches(folded)) for (const role of mapping.roles) addRole(roles, role, group)
      }
    }
    if (roles.size === 0) for (const role of rules.defaultRoles) roles.add(role)
    if (roles.size === 0)
      throw new GatewayError('no_roles', 'no group is in group_mappings, and default_roles is empty', {
        username: identity.username,
      })
    return Object.freeze([...roles].sort())
  }
}

/** Every role that the rules name, save those that a group's name completes. */
export function fixedRoles({ mappings, defaultRoles }: RoleRules): string[] {
  const roles = [...Object.values(mappings).flat(), ...defaultRoles]
  return [...new Set(roles)].filter((role) => !role.includes('{group}'))
}

/** A group that cannot be part of a role's name gives no role by a template: Elasticsearch would refuse the whole user. */
function addRole(roles: Set<string>, template: string, group: string): void {
  const role = template.replaceAll('{group}', () => group)
  if (roleName.test(role)) roles.add(role)
}

function matcher(pattern: string): (group: string) => boolean {
  const folded = fold(pattern)
  if (!folded.includes('*')) return (group) => group === folded
  const [start = '', ...rest] = folded.split('*')
  const end = rest.pop() ?? ''
  return (group) => {
    if (!group.startsWith(start)) return false
    // Each part at its first place after the one before: linear, where a regular expression would try every place.
    let at = start.length
    for (const part of rest) {
      const found = group.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return group.length - end.length >= at && group.endsWith(end)
  }
}

/**
 * Lower case, but only of letters that are the upper case of what they become: U+212A, the Kelvin sign, would become a
 * plain k, and a group of that spelling another group.
 */
function fold(group: string): string {
  const folded = group.toLowerCase()
  if (isAscii.test(group)) return folded
  return Array.from(group, (letter) => {
    const lower = letter.toLowerCase()
    return lower.toUpperCase() === letter ? lower : letter
  }).join('')
}

const isAscii = /^[\0-\x7f]*$/

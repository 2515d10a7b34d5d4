import { readGroups, readManagedState } from '../auth/credentials/managed-user.ts'
import type { NamedUser, SweepDirectory } from '../auth/credentials/user-directory.ts'
import { userPages } from '../auth/credentials/user-pages.ts'
import { createMapRoles, type MapRoles, type RoleRules } from '../auth/roles.ts'
import { GatewayError } from '../http/errors.ts'

/** Which roles a managed user would gain and lose under the new rules. A user without roles is denied access. */
export type RoleChange = Readonly<{
  username: string
  gains: readonly string[]
  loses: readonly string[]
  hasNoRole: boolean
}>

/** Numbers of managed users. */
export type RoleChanges = Readonly<{
  managed: number
  gaining: number
  losing: number
  /** Those of `losing` who would get no role. */
  denied: number
  /** Those of `managed` whose groups are not stored, so that nothing is known about them. */
  unknown: number
  /** Whether there are more users, which were not compared. */
  isIncomplete: boolean
}>

export type CompareOptions = Readonly<{
  page: SweepDirectory['page']
  before: RoleRules
  after: RoleRules
  /** Awaited if it returns a promise, so that a slow reader of the changes slows the comparison down. */
  onChange?: (change: RoleChange) => unknown
  /** After how many users of Elasticsearch to stop. */
  maxUsers?: number
  /** Awaited after each page. */
  pause?: () => Promise<void>
}>

/**
 * Compares the roles that two sets of rules give to the managed users of Elasticsearch, by the groups that their last sign-in
 * has stored there. Reads page by page, and writes nothing. Rejects with GatewayError elasticsearch_unavailable,
 * elasticsearch_rejected.
 */
export async function compareRoles(options: CompareOptions): Promise<RoleChanges> {
  const { before, after, onChange, maxUsers = Number.POSITIVE_INFINITY, pause } = options
  const [mapBefore, mapAfter] = [createMapRoles(before), createMapRoles(after)]
  const counts = { managed: 0, gaining: 0, losing: 0, denied: 0, unknown: 0 }

  function count(user: NamedUser): unknown {
    if (readManagedState(user.metadata) === undefined) return
    counts.managed++
    const groups = readGroups(user.metadata)
    if (groups === undefined) {
      counts.unknown++
      return
    }
    const change = changeBetween(user, rolesOf(mapBefore, user, groups), rolesOf(mapAfter, user, groups))
    const { gains, loses, hasNoRole } = change
    if (gains.length > 0) counts.gaining++
    if (loses.length > 0) counts.losing++
    if (loses.length > 0 && hasNoRole) counts.denied++
    if (gains.length + loses.length > 0) return onChange?.(change)
  }

  let read = 0
  for await (const users of userPages(options.page)) {
    for (const user of users) await count(user)
    read += users.length
    if (read >= maxUsers) return { ...counts, isIncomplete: true }
    await pause?.()
  }
  return { ...counts, isIncomplete: false }
}

function changeBetween({ username }: NamedUser, former: readonly string[], next: readonly string[]): RoleChange {
  return {
    username,
    gains: next.filter((role) => !former.includes(role)),
    loses: former.filter((role) => !next.includes(role)),
    hasNoRole: next.length === 0,
  }
}

/** No roles if the groups grant no access. */
function rolesOf(mapRoles: MapRoles, { username }: NamedUser, groups: readonly string[]): readonly string[] {
  try {
    return mapRoles({ username, groups, provider: 'stored' })
  } catch (error) {
    if (error instanceof GatewayError) return []
    throw error
  }
}

/** The numbers as text, such as `of 12 managed users, 2 gain roles, 1 loses roles, 0 would get no role`. */
export function describeChanges({ managed, gaining, losing, denied, unknown, isIncomplete }: RoleChanges): string {
  const parts = [
    `of ${isIncomplete ? 'the first ' : ''}${managed} managed users, ${gaining} ${gaining === 1 ? 'gains' : 'gain'} roles`,
    `${losing} ${losing === 1 ? 'loses' : 'lose'} roles`,
    `${denied} would get no role`,
    ...(unknown > 0 ? [`${unknown} ${unknown === 1 ? 'has' : 'have'} no stored groups`] : []),
  ]
  return parts.join(', ')
}

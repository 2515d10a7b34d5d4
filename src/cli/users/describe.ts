import { hasRetentionMark, readGroups, readManagedState, type StoredUser } from '../../auth/credentials/managed-user.ts'
import type { Keyring } from '../../auth/credentials/password.ts'

/** A managed user, as the commands show it. Times in ISO 8601, UTC. */
export type ManagedUser = Readonly<{
  username: string
  /** `user_retention` disables inactive users, and their next sign-in enables them. */
  state: 'enabled' | 'disabled' | 'disabled by retention'
  roles: readonly string[]
  groups: readonly string[]
  /** When a password was last issued or extended: the user was active then, and at most `cache.expiration` longer. */
  last_use: string
  /** Sign-ins and tokens from before it are rejected; null if the user was never revoked. */
  not_before: string | null
  /** Whether a configured secret key derives the password. */
  key_known: boolean
}>

/** @returns undefined for a user that elastauth does not manage */
export function describeUser(
  username: string,
  stored: StoredUser,
  keys: Pick<Keyring, 'knows'>,
): ManagedUser | undefined {
  const state = readManagedState(stored.metadata)
  if (state === undefined || stored.reserved) return undefined
  return {
    username,
    state: stored.enabled ? 'enabled' : hasRetentionMark(stored, state) ? 'disabled by retention' : 'disabled',
    roles: stored.roles,
    groups: readGroups(stored.metadata) ?? [],
    last_use: toIso(state.extended_at ?? state.issued_at),
    not_before: state.not_before === undefined ? null : toIso(state.not_before),
    key_known: keys.knows(state.key_id),
  }
}

/** The longest time that a Date can have. Anyone who may write users in Elasticsearch can store any number. */
const maxTime = 8.64e15

export function toIso(time: number): string {
  return new Date(Math.min(time, maxTime)).toISOString()
}

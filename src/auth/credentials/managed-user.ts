/**
 * What elastauth stores in `metadata.elastauth` of an Elasticsearch user. The state contains no secrets. Invariant: the state
 * identifies the user's password, unless something other than elastauth has changed the password.
 */
export type ManagedState = Readonly<{
  /** UTC day of the user's creation, `2026-11-23`. A user that is deleted and recreated on another day gets different passwords. */
  created: string
  version: number
  /** Identifies the secret key that the password is derived from. */
  key_id: string
  /** When this version of the password was issued, in milliseconds since 1970. */
  issued_at: number
  /** When the password was last extended (`extend_cache`), in milliseconds since 1970. */
  extended_at?: number
  /**
   * The time of a revocation, in milliseconds since 1970: sign-ins and tokens from before it get no credential. Every later write
   * keeps it.
   */
  not_before?: number
  fingerprint: string
}>

/** The fields of a user in Elasticsearch that the life-cycle uses. */
export type StoredUser = Readonly<{
  reserved: boolean
  enabled: boolean
  roles: readonly string[]
  full_name?: string | null
  email?: string | null
  metadata: Readonly<Record<string, unknown>>
}>

/** The highest version that is still an exact integer. Normal rotation never reaches it. */
export const lastVersion = Number.MAX_SAFE_INTEGER

/**
 * The managed state in a user's metadata, or undefined if it is absent or has wrong types. Numbers that elastauth cannot have
 * written (a version of 1e300, a negative time) yield an expired state with the last version, so that the next write starts a
 * new series of passwords.
 */
export function readManagedState(metadata: Readonly<Record<string, unknown>>): ManagedState | undefined {
  const state = metadata.elastauth
  if (typeof state !== 'object' || state === null) return undefined
  const { created, version, key_id, issued_at, extended_at, fingerprint } = state as Record<string, unknown>
  const revocation = keepNotBefore(readNotBefore(metadata))
  if (typeof created !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(created)) return undefined
  if (typeof version !== 'number' || typeof issued_at !== 'number') return undefined
  if (typeof key_id !== 'string' || key_id === '' || typeof fingerprint !== 'string') return undefined
  if (!isCount(version) || version < 1 || !isCount(issued_at))
    return Object.freeze({ created, version: lastVersion, key_id, issued_at: 0, ...revocation, fingerprint })
  if (extended_at === undefined)
    return Object.freeze({ created, version, key_id, issued_at, ...revocation, fingerprint })
  if (typeof extended_at !== 'number') return undefined
  // A time that elastauth cannot have written is read as 0, so that the password counts as expired.
  return Object.freeze({
    ...{ created, version, key_id, issued_at, ...revocation, fingerprint },
    extended_at: isCount(extended_at) ? extended_at : 0,
  })
}

/**
 * When elastauth last wrote a change of the user's roles or groups, in milliseconds since 1970. This time is not part of the
 * state, because it does not affect the password and earlier releases drop it.
 */
export function readChangedAt(metadata: Readonly<Record<string, unknown>>): number | undefined {
  const changedAt = (metadata.elastauth as Readonly<Record<string, unknown>> | null | undefined)?.changed_at
  return isCount(changedAt) ? changedAt : undefined
}

/**
 * When the user was last revoked, in milliseconds since 1970; undefined if never. A value that elastauth cannot have written is
 * read as a time that no sign-in reaches, because the user may have been revoked. The next revocation replaces it.
 */
export function readNotBefore(metadata: Readonly<Record<string, unknown>>): number | undefined {
  const notBefore = (metadata.elastauth as Readonly<Record<string, unknown>> | null | undefined)?.not_before
  if (notBefore === undefined) return undefined
  return isCount(notBefore) ? notBefore : Number.MAX_SAFE_INTEGER
}

/**
 * The time before which sign-ins of the user have ended, in milliseconds since 1970: 0 if none have, infinity if the user is
 * disabled or deleted.
 */
export function readEndOfAccess(stored: StoredUser | undefined): number {
  return stored?.enabled ? (readNotBefore(stored.metadata) ?? 0) : Number.POSITIVE_INFINITY
}

/** The field of the next state. */
export function keepNotBefore(notBefore: number | undefined): Pick<ManagedState, 'not_before'> {
  return notBefore === undefined ? {} : { not_before: notBefore }
}

/**
 * Whether the user has the mark that `user_retention` writes when it disables a user. The next sign-in enables such a user, but not
 * one whom an administrator has disabled. The mark is the version that was written with it. It is not part of the state, so every
 * other write removes it, except that of an administrator who only enables or disables the user.
 */
export function hasRetentionMark({ metadata }: Pick<StoredUser, 'metadata'>, { version }: ManagedState): boolean {
  return (metadata.elastauth as Readonly<Record<string, unknown>>).disabled_idle === version
}

/** Whether the user is disabled, and the next sign-in does not enable the user. */
export function isLocked(stored: StoredUser): boolean {
  const state = readManagedState(stored.metadata)
  return !stored.enabled && !(state !== undefined && hasRetentionMark(stored, state))
}

/** The groups stored in the metadata, or undefined if they are not a list of strings. */
export function readGroups({ groups }: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  return Array.isArray(groups) && groups.every((group) => typeof group === 'string') ? groups : undefined
}

/** True if both states identify the same password. */
export function isSamePassword(a: ManagedState, b: ManagedState): boolean {
  return a.created === b.created && a.version === b.version && a.key_id === b.key_id
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

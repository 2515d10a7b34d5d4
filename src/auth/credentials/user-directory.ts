import type { StoredUser } from './managed-user.ts'
import type { PasswordToWrite } from './password-writer.ts'

/**
 * The Elasticsearch operations of the credential life-cycle. Every function rejects with GatewayError elasticsearch_unavailable
 * or elasticsearch_rejected.
 */
export type UserDirectory = Readonly<{
  get: (username: string) => Promise<StoredUser | undefined>
  put: (username: string, user: UserToWrite) => Promise<void>
  /** Logs in as the user. @returns the user's roles and metadata, or undefined if Elasticsearch rejects the password */
  authenticate: (username: string, password: string) => Promise<Pick<StoredUser, 'roles' | 'metadata'> | undefined>
}>

export type UserToWrite = PasswordToWrite & UserProfile

type UserProfile = Readonly<{
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Readonly<Record<string, unknown>>
  /** Users are enabled unless this says otherwise. */
  enabled?: false
}>

/** The Elasticsearch operations of the idle sweep. Functions reject with the same errors as those of `UserDirectory`. */
export type SweepDirectory = Pick<UserDirectory, 'get'> &
  Readonly<{
    /** The first `size` users whose names come after `after`, sorted by name. */
    page: (after: string | undefined, size: number) => Promise<readonly NamedUser[]>
    /** Changes only the password, not `enabled`, roles or metadata. Resolves to false if the user was written concurrently. */
    setPassword: (username: string, password: PasswordToWrite) => Promise<boolean>
  }>

export type NamedUser = StoredUser & Readonly<{ username: string }>

import type { StoredUser } from './managed-user.ts'
import type { PasswordToWrite } from './password-writer.ts'

/** What the life-cycle needs of Elasticsearch. Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected. */
export type UserDirectory = Readonly<{
  get: (username: string) => Promise<StoredUser | undefined>
  put: (username: string, user: UserToWrite) => Promise<void>
  /** Logs in as the user: what Elasticsearch has of it, or undefined when it refuses the password. */
  authenticate: (username: string, password: string) => Promise<Pick<StoredUser, 'roles' | 'metadata'> | undefined>
}>

export type UserToWrite = PasswordToWrite & UserProfile

type UserProfile = Readonly<{
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Readonly<Record<string, unknown>>
}>

/** What the sweep of idle users also needs. Functions throw like those above. */
export type UserPages = Pick<UserDirectory, 'get'> &
  Readonly<{
    /** The first `size` users whose names come after `after`, sorted by name. */
    page: (after: string | undefined, size: number) => Promise<readonly NamedUser[]>
    /** Changes only the password, not `enabled`, roles or metadata. Resolves to false if the user was written meanwhile. */
    setPassword: (username: string, password: PasswordToWrite) => Promise<boolean>
  }>

export type NamedUser = StoredUser & Readonly<{ username: string }>

import { type Client, errors } from '@elastic/elasticsearch'
import type { Call } from './call.ts'
import { type PasswordHashing, sendPassword } from './password-hashing.ts'

type Metadata = Readonly<Record<string, unknown>>

export type NativeUser = Readonly<{ reserved: boolean; enabled: boolean; roles: readonly string[]; metadata: Metadata }>

export type Login = Pick<NativeUser, 'roles' | 'metadata'>

export type NativeUserToWrite = Readonly<{
  password: string
  /** Elasticsearch's own form of a hashed password, sent in place of the text while it takes ours. */
  passwordHash?: string
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Metadata
}>

/**
 * The users of Elasticsearch's native realm.
 * Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createUsers(client: () => Client, call: Call, hashing: PasswordHashing) {
  return Object.freeze({
    /** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-user */
    async get(username: string): Promise<NativeUser | undefined> {
      const users = await call('user_read', () => client().security.getUser({ username }, { ignore: [404] }))
      const user = Object.hasOwn(users, username) ? users[username] : undefined
      if (user === undefined) return undefined
      const { enabled, roles, metadata } = user
      return { reserved: metadata?._reserved === true, enabled, roles, metadata: metadata ?? {} }
    },

    /**
     * Creates or replaces; Elasticsearch drops its cached logins of the user.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-put-user
     */
    async put(username: string, { password, passwordHash, ...user }: NativeUserToWrite): Promise<void> {
      const body = { ...user, roles: [...user.roles], metadata: { ...user.metadata }, enabled: true }
      await call('user_write', () =>
        sendPassword({ password, passwordHash }, hashing, (fields) =>
          client().security.putUser({ username, ...body, ...fields }),
        ),
      )
    },

    /**
     * Logs in as the user itself: what Elasticsearch has of it, or undefined when the password is refused.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-authenticate
     */
    async authenticate(username: string, password: string): Promise<Login | undefined> {
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
      return call('user_authenticate', async () => {
        try {
          const { roles, metadata } = await client().security.authenticate({}, { headers: { authorization } })
          return { roles, metadata }
        } catch (error) {
          if (error instanceof errors.ResponseError && error.statusCode === 401) return undefined
          throw error
        }
      })
    },
  })
}

/** Stands where the users would be when `elasticsearch.dry_run` is on: nothing is read or written. */
export function createDryRunUsers(): ReturnType<typeof createUsers> {
  return Object.freeze({ get: async () => undefined, put: async () => {}, authenticate: async () => undefined })
}

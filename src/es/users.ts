import type { Client } from '@elastic/elasticsearch'
import { type Call, isLoginRejection } from './call.ts'
import { type PasswordFields, type PasswordHashing, sendPassword } from './password-hashing.ts'
import { checkPut, type Login, type NativeUser, readLogin, readUser } from './read-response.ts'

export type NativeUserToWrite = Readonly<{
  password: string
  /** Elasticsearch's own form of a hashed password, sent in place of the text while it takes ours. */
  passwordHash?: string
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: NativeUser['metadata']
}>

/**
 * The users of Elasticsearch's native realm.
 * Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createUsers(client: () => Client, call: Call, hashing: PasswordHashing) {
  return Object.freeze({
    /** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-user */
    async get(username: string): Promise<NativeUser | undefined> {
      return call('user_read', async () =>
        readUser(await client().security.getUser({ username }, { ignore: [404], meta: true }), username),
      )
    },

    /**
     * Creates or replaces; Elasticsearch drops its cached logins of the user.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-put-user
     */
    async put(username: string, { password, passwordHash, ...user }: NativeUserToWrite): Promise<void> {
      const body = { ...user, roles: [...user.roles], metadata: { ...user.metadata }, enabled: true }
      await call('user_write', async () => {
        const put = (fields: PasswordFields) => client().security.putUser({ username, ...body, ...fields })
        checkPut(await sendPassword({ password, passwordHash }, hashing, put))
      })
    },

    /**
     * Logs in as the user itself: what Elasticsearch has of it, or undefined when the password is refused.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-authenticate
     */
    async authenticate(username: string, password: string): Promise<Login | undefined> {
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
      return call('user_authenticate', async () => {
        try {
          return readLogin(await client().security.authenticate({}, { headers: { authorization } }), username)
        } catch (error) {
          if (isLoginRejection(error)) return undefined
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

import { errors } from '@elastic/elasticsearch'
import { type Call, isLoginRejection } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { type PasswordFields, type PasswordHashing, sendPassword } from './password-hashing.ts'
import {
  checkDelete,
  checkPasswordChange,
  checkPut,
  type Login,
  type NamedUser,
  type NativeUser,
  readLogin,
  readUser,
  readUserPage,
} from './read-response.ts'

export type PasswordToSet = Readonly<{
  password: string
  /** The password hash in Elasticsearch's format, sent instead of the text while Elasticsearch accepts it. */
  passwordHash?: string
}>

export type NativeUserToWrite = PasswordToSet &
  Readonly<{
    roles: readonly string[]
    full_name: string | null
    email: string | null
    metadata: NativeUser['metadata']
    /** Users are enabled unless this says otherwise. */
    enabled?: false
  }>

/**
 * By default each write refreshes the index of the users, which takes most of its processor time. Only listings need it: logins and
 * reads of one user are in real time, and a listing is at most a second old.
 */
const refresh = false

/**
 * Users of Elasticsearch's native realm.
 * Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createUsers(client: () => ElasticsearchClient, call: Call, hashing: PasswordHashing) {
  return Object.freeze({
    /** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-user */
    async get(username: string): Promise<NativeUser | undefined> {
      return call('user_read', async () =>
        readUser(await client().security.getUser({ username }, { ignore: [404], meta: true }), username),
      )
    },

    /**
     * Creates or replaces the user, and enables or disables it. Elasticsearch clears the user's cached logins.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-put-user
     */
    async put(username: string, { password, passwordHash, ...user }: NativeUserToWrite): Promise<void> {
      const { roles, metadata, enabled = true } = user
      const body = { ...user, roles: [...roles], metadata: { ...metadata }, enabled }
      await call('user_write', async () => {
        const put = (fields: PasswordFields) => client().security.putUser({ username, refresh, ...body, ...fields })
        checkPut(await sendPassword({ password, passwordHash }, hashing, put))
      })
    },

    /**
     * Deletes the user, if it exists.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-delete-user
     */
    async delete(username: string): Promise<void> {
      await call('user_write', async () =>
        checkDelete(await client().security.deleteUser({ username, refresh }, { ignore: [404] })),
      )
    },

    /**
     * Lists up to `size` users whose names come after `after`, sorted by name. Needs Elasticsearch 8.14 or later.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-query-user
     */
    async page(after: string | undefined, size: number): Promise<NamedUser[]> {
      return call('user_read', async () =>
        readUserPage(
          await client().security.queryUser({
            size,
            sort: [{ username: { order: 'asc' } }],
            ...(after !== undefined && { search_after: [after] }),
          }),
        ),
      )
    },

    /**
     * Changes only the password, not `enabled`, roles or metadata. Resolves to false without a change if Elasticsearch detects
     * a concurrent write of the user (409).
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-change-password
     */
    async setPassword(username: string, { password, passwordHash }: PasswordToSet): Promise<boolean> {
      return call('user_write', async () => {
        const set = (fields: PasswordFields) => client().security.changePassword({ username, refresh, ...fields })
        try {
          checkPasswordChange(await sendPassword({ password, passwordHash }, hashing, set))
          return true
        } catch (error) {
          if (error instanceof errors.ResponseError && error.statusCode === 409) return false
          throw error
        }
      })
    },

    /**
     * Logs in as the user. Resolves to the user's roles and metadata, or to undefined if Elasticsearch rejects the password.
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

/** For `elasticsearch.dry_run`: reads and writes nothing. */
export function createDryRunUsers(): ReturnType<typeof createUsers> {
  return Object.freeze({
    get: async () => undefined,
    put: async () => {},
    delete: async () => {},
    page: async () => [],
    setPassword: async () => true,
    authenticate: async () => undefined,
  })
}

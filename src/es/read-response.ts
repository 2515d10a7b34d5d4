import { GatewayError } from '../http/errors.ts'
import { isObject } from '../http/json-object.ts'

export type NativeUser = Readonly<{
  reserved: boolean
  enabled: boolean
  roles: readonly string[]
  full_name: string | null
  email: string | null
  metadata: Readonly<Record<string, unknown>>
}>

export type Login = Pick<NativeUser, 'roles' | 'metadata'>

/**
 * Validates Elasticsearch's responses, because an intermediary's response could make elastauth overwrite an existing user.
 * Every function throws GatewayError elasticsearch_unavailable.
 */

type Response = Readonly<{ statusCode: number | null; body: unknown }>

/** @param response to "get user" for one name */
export function readUser(response: Response, username: string): NativeUser | undefined {
  const { statusCode, body } = response
  if (statusCode === 404) {
    if (isObject(body) && Object.keys(body).length === 0) return undefined
    throw malformed('"get user" is a 404 for another reason than an unknown user')
  }
  const user = statusCode === 200 && isObject(body) && Object.hasOwn(body, username) ? body[username] : undefined
  if (!isUser(user, username)) throw malformed('"get user" does not contain the user')
  return toNativeUser(user)
}

export type NamedUser = NativeUser & Readonly<{ username: string }>

/** @param body of the response to "query users" */
export function readUserPage(body: unknown): NamedUser[] {
  if (!isObject(body) || !Array.isArray(body.users)) throw malformed('"query users" does not contain users')
  return body.users.map((user: unknown) => {
    const username = isObject(user) ? user.username : undefined
    if (typeof username !== 'string' || !isUser(user, username)) throw malformed('"query users" does not contain users')
    return { username, ...toNativeUser(user) }
  })
}

function toNativeUser({ enabled, roles, full_name, email, metadata }: User): NativeUser {
  return {
    ...{ reserved: metadata._reserved === true, enabled, roles, metadata },
    full_name: typeof full_name === 'string' ? full_name : null,
    email: typeof email === 'string' ? email : null,
  }
}

/** @param body of the response to "change password" */
export function checkPasswordChange(body: unknown): void {
  if (!isObject(body) || Object.keys(body).length > 0) throw malformed('"change password" does not confirm the change')
}

/** @param body of the response to `_authenticate` with the user's credential */
export function readLogin(body: unknown, username: string): Login {
  if (!isUser(body, username)) throw malformed('"authenticate" does not name the user of the credential')
  return { roles: body.roles, metadata: body.metadata }
}

/** The owner of a client's own credential. */
export type ClientLogin = Login &
  Readonly<{
    username: string
    realm: Readonly<{ name: string; type: string }>
    type: string
    /** The API key or the token of a service account. Tokens have no id. */
    key: Readonly<{ id?: string; name: string }> | undefined
  }>

/** @param body of the response to `_authenticate` with a client's own credential */
export function readClientLogin(body: unknown): ClientLogin {
  const username = isObject(body) ? body.username : undefined
  if (!isObject(body) || typeof username !== 'string' || !isUser(body, username)) throw malformedLogin()
  const {
    roles,
    metadata,
    authentication_type: type,
    authentication_realm: realm,
  } = body as User & Record<string, unknown>
  if (typeof type !== 'string' || !isObject(realm)) throw malformedLogin()
  return {
    username,
    roles,
    metadata,
    type,
    realm: { name: String(realm.name), type: String(realm.type) },
    key: keyOf(body),
  }
}

function keyOf({ api_key: apiKey, token }: Record<string, unknown>): ClientLogin['key'] {
  const key = apiKey ?? token
  if (key === undefined) return undefined
  if (!isObject(key) || typeof key.name !== 'string') throw malformedLogin()
  return { ...(typeof key.id === 'string' && { id: key.id }), name: key.name }
}

function malformedLogin(): GatewayError {
  return malformed('"authenticate" does not describe the owner of the credential')
}

/** @param body of the response to "put user" */
export function checkPut(body: unknown): void {
  if (!isObject(body) || typeof body.created !== 'boolean')
    throw malformed('"put user" does not say whether the user was created')
}

/** @param body of the response to "delete user" */
export function checkDelete(body: unknown): void {
  if (!isObject(body) || typeof body.found !== 'boolean')
    throw malformed('"delete user" does not say whether the user was found')
}

/** @param body of the response to `_authenticate` with the service account's credential */
export function checkOwnLogin(body: unknown): void {
  if (!isObject(body) || typeof body.username !== 'string') throw malformed('"authenticate" does not name a user')
}

/** @param body of the response to "has privileges" */
export function readPrivileges(body: unknown): Readonly<{ username: string; hasAll: boolean }> {
  if (!isObject(body) || typeof body.username !== 'string' || typeof body.has_all_requested !== 'boolean')
    throw malformed('"has privileges" does not list the privileges')
  return { username: body.username, hasAll: body.has_all_requested }
}

/** @param body of the response to "has privileges" for one index */
export function readIndexPrivileges<const Name extends string>(
  body: unknown,
  index: string,
  names: readonly Name[],
): Readonly<Record<Name, boolean>> {
  const found = isObject(body) && isObject(body.index) ? body.index[index] : undefined
  if (!isObject(found) || !names.every((name) => typeof found[name] === 'boolean'))
    throw malformed('"has privileges" does not list the privileges')
  return found as Record<Name, boolean>
}

/** @param body of the response to "get settings" with flat settings; an error response if the index does not exist */
export function readIndexModes(body: unknown): string[] {
  const indices = isObject(body) && body.error === undefined ? Object.entries(body) : []
  return indices
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, index]) => {
      const { settings, defaults } = isObject(index) ? index : {}
      const mode = { ...(isObject(defaults) && defaults), ...(isObject(settings) && settings) }['index.mode']
      return typeof mode === 'string' ? mode : 'unknown'
    })
}

/** @param body of the response to "get roles" */
export function readRoleNames(body: unknown): ReadonlySet<string> {
  if (!isObject(body) || !Object.values(body).every(isObject)) throw malformed('"get roles" does not contain roles')
  return new Set(Object.keys(body))
}

export type ApiKey = Readonly<{ id: string; name: string }>

/**
 * @param body of the response to "get API keys" of one username
 * @returns the keys of the native user, without those of a user of another realm with the same name
 */
export function readApiKeys(body: unknown): (ApiKey & Readonly<{ realm: string }>)[] {
  const keys: unknown = isObject(body) ? (body.api_keys ?? []) : undefined
  if (!Array.isArray(keys)) throw malformed('"get API keys" does not contain keys')
  return keys.flatMap((key: unknown) => {
    if (!isObject(key) || typeof key.id !== 'string' || typeof key.name !== 'string' || typeof key.realm !== 'string')
      throw malformed('"get API keys" does not name the realm of each key')
    // Elasticsearch before 8.14 does not send the type, and the realm may have another name.
    const isNative = key.realm_type === undefined ? key.realm === 'default_native' : key.realm_type === 'native'
    return isNative || key.realm === derivedKeyRealm ? [{ id: key.id, name: key.name, realm: key.realm }] : []
  })
}

/**
 * The realm of a key that was created with another key: the realm of the owner is not stored. Such a key has no privileges at
 * Elasticsearch, but it authenticates.
 */
const derivedKeyRealm = '_es_api_key'

/** @param body of the response to "invalidate API keys" @returns how many were invalidated */
export function readInvalidatedKeys(body: unknown): number {
  if (!isObject(body) || !Array.isArray(body.invalidated_api_keys) || body.error_count !== 0)
    throw malformed('"invalidate API keys" does not confirm the invalidation')
  return body.invalidated_api_keys.length
}

type User = Pick<NativeUser, 'enabled' | 'roles' | 'metadata'> & Readonly<{ full_name?: unknown; email?: unknown }>

function isUser(value: unknown, username: string): value is User {
  if (!isObject(value) || value.username !== username) return false
  const { enabled, roles, metadata } = value
  const hasRoles = Array.isArray(roles) && roles.every((role) => typeof role === 'string')
  return typeof enabled === 'boolean' && hasRoles && isObject(metadata)
}

function malformed(what: string): GatewayError {
  return new GatewayError(
    'elasticsearch_unavailable',
    `the response to ${what}: look for a proxy or load balancer between elastauth and Elasticsearch`,
  )
}

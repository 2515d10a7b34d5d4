import {
  authorize,
  type Caller,
  createUser,
  type FakeKey,
  type FakeUser,
  hasPrivilege,
  type Keys,
  type Roles,
  type Users,
} from './accounts.ts'
import { accept, type FakeResponse, reject, rejectInvalid, rejectMethod } from './responses.ts'
import { parsePassword, parseUserBody } from './user-body.ts'

export type State = { users: Users; keys: Keys; roles: Roles; forbidsPut(): boolean; rejectsHash(): boolean }
/** `readBody` returns the JSON object of the body, or undefined if there is none, and throws a 400 for anything else. */
export type Request = {
  method: string
  path: string
  query: URLSearchParams
  caller: Caller
  readBody(): Record<string, unknown> | undefined
}

const writers = ['manage_security', 'all']
const readers = ['read_security', 'manage_security', 'all']
const monitors = ['monitor', 'manage', 'all']
const actions = 'cluster:admin/xpack/security/user'

export function isEndpoint(path: string): boolean {
  return /^\/(_cluster\/health|_security\/_authenticate|_security\/role|_security\/_query\/user|_security\/api_key|_security\/user(\/.+)?)?$/.test(
    path,
  )
}

/** The few Elasticsearch endpoints that elastauth uses. Throws Rejection. */
export function respondToEndpoint(state: State, request: Request): FakeResponse {
  const { path, method } = request
  if (path === '/') return only(['GET', 'HEAD'], request, () => banner(state, request))
  if (path === '/_cluster/health') return only(['GET'], request, () => health(state, request))
  if (path === '/_security/_authenticate') return only(['GET'], request, () => describeCaller(request.caller))
  if (path === '/_security/user') return only(['GET'], request, () => getUsers(state, request, [...state.users.keys()]))
  if (path === '/_security/_query/user') return only(['GET', 'POST'], request, () => queryUsers(state, request))
  if (path === '/_security/api_key')
    return only(['GET', 'DELETE'], request, () => (method === 'GET' ? getApiKeys : invalidateApiKeys)(state, request))
  if (path === '/_security/role') return only(['GET'], request, () => getRoles(state, request))
  if (path === '/_security/user/_has_privileges') {
    return only(['GET', 'POST'], request, () => checkPrivileges(state, request))
  }
  const [, name, operation] = /^\/_security\/user\/([^/]+)(?:\/(_password|_enable|_disable))?$/.exec(path) ?? []
  if (name === undefined) throw reject(400, 'illegal_argument_exception', `the stand-in does not know [${path}]`)
  const username = decodeURIComponent(name)
  if (operation === '_password') return only(['POST', 'PUT'], request, () => changePassword(state, request, username))
  if (operation)
    return only(['POST', 'PUT'], request, () => setEnabled(state, request, username, operation === '_enable'))
  return only(['GET', 'POST', 'PUT', 'DELETE'], request, () => {
    if (method === 'GET') return getUsers(state, request, username.split(','))
    return method === 'DELETE' ? deleteUser(state, request, username) : putUser(state, request, username)
  })
}

function only(methods: string[], request: Request, respond: () => FakeResponse): FakeResponse {
  if (!methods.includes(request.method)) throw rejectMethod(request.method, request.path, methods)
  return respond()
}

function banner({ roles }: State, { caller }: Request): FakeResponse {
  authorize(roles, caller, 'cluster:monitor/main', monitors)
  const version = { number: '8.19.0', build_flavor: 'default', build_type: 'stand-in' }
  const name = 'elastauth stand-in'
  return accept({ name, cluster_name: name, version, tagline: 'elastauth stand-in, not an Elasticsearch' })
}

function health({ roles }: State, { caller }: Request): FakeResponse {
  authorize(roles, caller, 'cluster:monitor/health', monitors)
  return accept({ cluster_name: 'elastauth stand-in', status: 'green', timed_out: false, number_of_nodes: 1 })
}

function getRoles({ roles }: State, { caller }: Request): FakeResponse {
  authorize(roles, caller, 'cluster:admin/xpack/security/role/get', readers)
  return accept(Object.fromEntries([...roles].map(([name, cluster]) => [name, { cluster, indices: [], metadata: {} }])))
}

function describeCaller({ username, user, key }: Caller): FakeResponse {
  if (key) return accept({ ...publicPart(username, user), ...describeKey(key) })
  const type = user.metadata._reserved ? 'reserved' : 'native'
  const realm = { name: type === 'native' ? 'default_native' : type, type }
  return accept({
    ...publicPart(username, user),
    authentication_realm: realm,
    lookup_realm: realm,
    authentication_type: 'realm',
  })
}

function describeKey({ id, name }: FakeKey) {
  const type = id === undefined ? '_service_account' : '_es_api_key'
  const realm = { name: type, type }
  const key = id === undefined ? { token: { name, type: '_service_account_index' } } : { api_key: { id, name } }
  const authentication_type = id === undefined ? 'token' : 'api_key'
  return { ...key, authentication_realm: realm, lookup_realm: realm, authentication_type }
}

function checkPrivileges({ roles }: State, { caller, readBody }: Request): FakeResponse {
  const body = readBody()
  if (!body) throw reject(400, 'parse_exception', 'request body or source parameter is required')
  const names = Array.isArray(body.cluster) ? body.cluster.map(String) : []
  const cluster = Object.fromEntries(names.map((name) => [name, hasPrivilege(roles, caller.user, name)]))
  const isWhole = Object.values(cluster).every(Boolean)
  return accept({ username: caller.username, has_all_requested: isWhole, cluster, index: {}, application: {} })
}

function getUsers({ users, roles }: State, { caller }: Request, names: string[]): FakeResponse {
  authorize(roles, caller, `${actions}/get`, readers)
  const found = names.flatMap((name) => {
    const user = users.get(name)
    return user ? [[name, publicPart(name, user)] as const] : []
  })
  return accept(Object.fromEntries(found), found.length > 0 ? 200 : 404)
}

/** Native users sorted by name, for the sweep of idle users. */
function queryUsers({ users, roles }: State, { caller, readBody }: Request): FakeResponse {
  authorize(roles, caller, `${actions}/query`, readers)
  const { size = 10, search_after: [after = ''] = [] } = (readBody() ?? {}) as {
    size?: number
    search_after?: string[]
  }
  const native = [...users].filter(([, { metadata }]) => !metadata._reserved)
  const page = native
    .filter(([name]) => name > after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, size)
    .map(([name, user]) => ({ ...publicPart(name, user), _sort: [name] }))
  return accept({ total: native.length, count: page.length, users: page })
}

function keysOf({ keys }: State, owner: string | null) {
  return [...keys].filter(([, { id, username }]) => id !== undefined && username === owner)
}

/** All keys are active. */
function getApiKeys(state: State, { caller, query }: Request): FakeResponse {
  authorize(state.roles, caller, 'cluster:admin/xpack/security/api_key/get', writers)
  const found = keysOf(state, query.get('username')).map(([, key]) => key)
  return accept(found.length === 0 ? {} : { api_keys: found.map((key) => ({ ...key, ...realmOf(key) })) })
}

function invalidateApiKeys(state: State, { caller, readBody }: Request): FakeResponse {
  authorize(state.roles, caller, 'cluster:admin/xpack/security/api_key/invalidate', writers)
  const { username = null, realm_name } = (readBody() ?? {}) as { username?: string; realm_name?: string }
  if (realm_name === undefined) throw reject(400, 'illegal_argument_exception', 'no realm')
  const found = keysOf(state, username).filter(([, key]) => realmOf(key).realm === realm_name)
  for (const [authorization] of found) state.keys.delete(authorization)
  const invalidated = found.map(([, { id }]) => id)
  return accept({ invalidated_api_keys: invalidated, previously_invalidated_api_keys: [], error_count: 0 })
}

function realmOf({ realm = 'default_native' }: FakeKey) {
  return { realm, realm_type: realm === 'default_native' ? 'native' : realm }
}

function putUser(
  { users, roles, forbidsPut, rejectsHash }: State,
  { caller, readBody }: Request,
  username: string,
): FakeResponse {
  const body = readBody()
  if (!body) throw reject(400, 'parse_exception', 'request body is required')
  const { password: given, roles: assigned = [], ...rest } = parseUserBody(body, username, rejectsHash())
  const before = users.get(username)
  if (before?.metadata._reserved) {
    throw rejectInvalid(`user [${username}] is reserved and only the password can be changed`)
  }
  const putter = forbidsPut() ? { ...caller, user: { ...caller.user, roles: [] } } : caller
  authorize(roles, putter, `${actions}/put`, writers)
  const password = given ?? before?.password
  if (password === undefined) {
    throw rejectInvalid('password must be specified unless you are updating an existing user', 'validation_exception')
  }
  users.set(username, createUser({ ...rest, roles: assigned, password }))
  return accept({ created: !before })
}

function deleteUser({ users, roles }: State, { caller }: Request, username: string): FakeResponse {
  authorize(roles, caller, `${actions}/delete`, writers)
  if (users.get(username)?.metadata._reserved) {
    throw reject(400, 'illegal_argument_exception', `user [${username}] is reserved and cannot be deleted`)
  }
  const found = users.delete(username)
  return accept({ found }, found ? 200 : 404)
}

function changePassword({ users, roles, rejectsHash }: State, request: Request, username: string): FakeResponse {
  const { caller, readBody } = request
  const body = readBody() ?? {}
  const field = 'password_hash' in body ? 'password_hash' : 'password'
  const password = parsePassword(field, body[field], rejectsHash())
  if (caller.username !== username) authorize(roles, caller, `${actions}/change_password`, writers)
  const user = users.get(username)
  if (!user) throw rejectInvalid('user must exist in order to change password', 'validation_exception')
  users.set(username, { ...user, password })
  return accept({})
}

function setEnabled({ users, roles }: State, { caller }: Request, username: string, enabled: boolean): FakeResponse {
  authorize(roles, caller, `${actions}/set_enabled`, writers)
  if (caller.username === username) {
    throw reject(400, 'illegal_argument_exception', 'users may not update the enabled status of their own account')
  }
  const user = users.get(username)
  if (!user)
    throw rejectInvalid(`only existing users can be ${enabled ? 'enabled' : 'disabled'}`, 'validation_exception')
  users.set(username, { ...user, enabled })
  return accept({})
}

function publicPart(username: string, { password: _, ...user }: FakeUser) {
  const { roles, full_name, email, metadata, enabled } = user
  return { username, roles, full_name, email, metadata, enabled }
}

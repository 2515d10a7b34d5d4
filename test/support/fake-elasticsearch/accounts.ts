import { isPassword } from './password-hash.ts'
import { rejectAction, rejectLogin } from './responses.ts'

/** The password is stored as it was sent: the text or its hash. */
export type FakeUser = {
  password: string
  roles: string[]
  full_name: string | null
  email: string | null
  metadata: Record<string, unknown>
  enabled: boolean
}
export type Users = Map<string, FakeUser>
/** Role name → cluster privileges. */
export type Roles = ReadonlyMap<string, readonly string[]>
export type Caller = { username: string; user: FakeUser; key?: FakeKey | undefined }
/** An API key, or the token of a service account, which has no id. The realm is that of native users by default. */
export type FakeKey = { username: string; id?: string; name: string; realm?: string }
/** Keys and tokens by their value of `Authorization`. */
export type Keys = Map<string, FakeKey>

export const builtInRoles: Roles = new Map([
  ['superuser', ['all']],
  ['kibana_system', ['monitor', 'manage_own_api_key']],
  ['kibana_admin', []],
  ['kibana_user', []],
  ['monitoring_user', []],
  ['viewer', []],
  ['editor', []],
])

const reserved = ['apm_system', 'beats_system', 'kibana', 'kibana_system', 'logstash_system', 'remote_monitoring_user']
/** The privileges that a privilege implies; `all` implies all. */
const implied: Record<string, string[]> = { manage_security: ['read_security'], manage: ['monitor'] }

export function createUsers(elasticPassword: string): Users {
  const builtIn = (password: string, roles: string[]) => createUser({ password, roles, metadata: { _reserved: true } })
  return new Map([
    ['elastic', builtIn(elasticPassword, ['superuser'])],
    ...reserved.map((name) => [name, builtIn('', [name === 'kibana' ? 'kibana_system' : name])] as const),
  ])
}

export function createUser(user: Partial<FakeUser> & { password: string }): FakeUser {
  return { roles: [], full_name: null, email: null, metadata: {}, enabled: true, ...user }
}

/** Checks the Basic credential or the key. Throws a 401 with Elasticsearch's reason. */
export function authenticate(users: Users, keys: Keys, authorization: string | undefined, path: string): Caller {
  if (!authorization) throw rejectLogin(`missing authentication credentials for REST request [${path}]`)
  const key = keys.get(authorization)
  if (key) return { username: key.username, user: userOf(key, users), key }
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (!encoded) throw rejectLogin('invalid basic authentication header encoding')
  const [username, ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':') as [string, ...string[]]
  const user = users.get(username)
  const password = rest.join(':')
  if (!user?.enabled || password === '' || !isPassword(user.password, password)) {
    throw rejectLogin(`unable to authenticate user [${username}] for REST request [${path}]`)
  }
  return { username, user }
}

/** With a key, Elasticsearch reports the metadata of its owner, and no roles. */
function userOf({ username }: FakeKey, users: Users): FakeUser {
  return createUser({ password: '', metadata: users.get(username)?.metadata ?? {} })
}

export function authorize(roles: Roles, caller: Caller, action: string, grantedBy: string[]): void {
  if (grantedBy.some((privilege) => hasPrivilege(roles, caller.user, privilege))) return
  const assigned = caller.user.roles
  const missing = assigned.filter((role) => !roles.has(role))
  const note = missing.length > 0 ? ` (assigned roles [${missing.join(',')}] were not found)` : ''
  const effective = `[${assigned.filter((role) => roles.has(role)).join(',')}]${note}`
  throw rejectAction(action, caller.username, effective, grantedBy)
}

export function hasPrivilege(roles: Roles, user: FakeUser, privilege: string): boolean {
  const held = user.roles.flatMap((role) => roles.get(role) ?? [])
  return held.some((name) => name === 'all' || name === privilege || implied[name]?.includes(privilege))
}

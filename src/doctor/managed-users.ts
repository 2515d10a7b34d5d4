import type { Config } from '../../config/schema.ts'
import { credentialsOptions } from '../app/options/credentials.ts'
import { expiryOf } from '../auth/credentials/lifecycle.ts'
import { type ManagedState, readManagedState } from '../auth/credentials/managed-user.ts'
import { createKeyring, type Keyring } from '../auth/credentials/password.ts'
import type { createUsers } from '../es/users.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Finding, failure, failureOf, ok, warning } from './check.ts'

type Users = ReturnType<typeof createUsers>

/** Looks at some users that elastauth has created: their keys, and whether one of them can log in. */
export async function checkManagedUsers(config: Config, users: Users): Promise<Finding[]> {
  const { secretKeys, rules } = credentialsOptions(config)
  const keys = createKeyring(secretKeys)
  const page = await users.page(undefined, 200).catch(explainUsers)
  if (!Array.isArray(page)) return [page as Finding]
  const managed = page.flatMap(({ username, metadata, enabled, roles }) => {
    const state = readManagedState(metadata)
    return state === undefined ? [] : [{ username, state, isActive: enabled && roles.length > 0 }]
  })
  const foreign = managed.filter(({ state }) => !keys.knows(state.key_id))
  const findings = foreign.length === 0 ? [] : [explainForeignKeys(foreign, managed.length)]
  const now = Date.now()
  const current = managed
    .filter(({ state, isActive }) => isActive && keys.knows(state.key_id) && expiryOf(state, rules) > now)
    .sort((one, other) => other.state.issued_at - one.state.issued_at)
  return [...findings, await tryCredentials(current.slice(0, 3), keys, users)]
}

function explainUsers(error: unknown): Finding {
  const fix = /410|not enabled/i.test(asGatewayError(error).detail)
    ? 'enable the native realm: xpack.security.authc.native_users.enabled'
    : 'elastauth needs Elasticsearch 8.14 or later, with the native realm'
  return failureOf(error, fix)
}

function explainForeignKeys(foreign: readonly Readonly<{ state: ManagedState }>[], total: number): Finding {
  const ids = [...new Set(foreign.map(({ state }) => state.key_id))]
  return warning(
    `${foreign.length} of ${total} managed users have a password of another secret_key (key id ${ids.slice(0, 5).join(', ')})`,
    'use the same secret_key in all replicas; after a change of the key, list the previous one in previous_secret_keys',
  )
}

type Managed = Readonly<{ username: string; state: ManagedState }>

/** Several, because an administrator may just have changed the password of one. */
async function tryCredentials(managed: readonly Managed[], keys: Keyring, users: Users): Promise<Finding> {
  if (managed.length === 0)
    return ok('no enabled managed user with roles has a current password, so no credential was tried')
  for (const { username, state } of managed) {
    const password = keys.password(state.key_id, username, state.created, state.version)
    if ((await users.authenticate(username, password)) !== undefined)
      return ok(
        "Elasticsearch accepts a managed user's credential",
        'if users still get 401 from it, let the proxy forward Authorization (Traefik: authResponseHeaders: [Authorization])',
      )
  }
  return failure(
    `Elasticsearch rejects the credentials of ${managed.length} managed users who signed in recently`,
    'enable the native realm (xpack.security.authc.realms.native), and let nothing else change their passwords',
  )
}

import type { Config } from '../../config/schema.ts'
import { credentialsOptions } from '../app/options/credentials.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { configuredRoles } from '../app/options/handlers.ts'
import { expiryOf } from '../auth/credentials/lifecycle.ts'
import { type ManagedState, readManagedState } from '../auth/credentials/managed-user.ts'
import { createKeyring, type Keyring } from '../auth/credentials/password.ts'
import { createCall } from '../es/call.ts'
import { createElasticsearchClient, type ElasticsearchOptions } from '../es/client.ts'
import { createPasswordHashing } from '../es/password-hashing.ts'
import { createFindMissingRoles, createPing, createPrivilegeCheck } from '../es/service-account.ts'
import { createUsers } from '../es/users.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Check, deadlineMs, type Finding, failure, failureOf, ok, skipped, warning } from './check.ts'
import { checkClock, checkExpiry, explainFailure, type Visit, visit } from './visit.ts'

/** The checks of Elasticsearch, and a function that closes their connections. They only read. */
export function elasticsearchChecks(config: Config): { checks: Check[]; close: () => void } {
  const settings = elasticsearchOptions(config)
  const options = { ...settings, timeoutMs: Math.min(settings.timeoutMs, deadlineMs - 500) }
  const client = createElasticsearchClient(options)
  const getClient = () => client
  const call = createCall({ monotonicNow: () => performance.now() })
  const ping = createPing(getClient, call)
  const checkPrivilege = createPrivilegeCheck(getClient, call)
  const findMissingRoles = createFindMissingRoles(getClient, call)
  const users = createUsers(
    getClient,
    call,
    createPasswordHashing('server', () => {}),
  )
  const checks: Check[] = [
    ...options.hosts.map((host) => ({
      id: 'elasticsearch.host',
      title: 'Elasticsearch host',
      run: (signal: AbortSignal) => checkHost(new URL(host), options, config.cache.rotation_pause, signal),
    })),
    {
      id: 'elasticsearch.login',
      title: 'Service account',
      after: 'elasticsearch.host',
      run: () => ping().then(() => ok('Elasticsearch accepts the service account'), explainLogin),
    },
    {
      id: 'elasticsearch.privileges',
      title: 'Privileges',
      after: 'elasticsearch.login',
      run: () => checkPrivilege().then(() => ok('the service account has manage_security')),
    },
    {
      id: 'elasticsearch.roles',
      title: 'Roles',
      after: 'elasticsearch.privileges',
      async run() {
        const roles = configuredRoles(config)
        const missing = await findMissingRoles(roles)
        return missing.length === 0
          ? ok(
              `Elasticsearch has ${roles.length === 1 ? 'the configured role' : `all ${roles.length} configured roles`}`,
            )
          : failure(
              `there is no role ${missing.join(', ')}`,
              'create it, or correct group_mappings and default_roles: until then it grants nothing',
            )
      },
    },
    {
      id: 'elasticsearch.users',
      title: 'Managed users',
      after: 'elasticsearch.privileges',
      run: () => checkUsers(config, users),
    },
  ]
  return { checks, close: () => void client.close() }
}

async function checkHost(
  url: URL,
  { ca, cert, key, insecureSkipVerify, ...account }: ElasticsearchOptions,
  clockToleranceMs: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  const connection = {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    rejectUnauthorized: !insecureSkipVerify,
  }
  try {
    const response = await visit(url, { headers: { Authorization: authorizationOf(account) }, connection, signal })
    return [
      checkVersion(url, response),
      ...checkExpiry(url.origin, response.expiresAt),
      ...checkClock(url.origin, response.clockLeadMs, clockToleranceMs),
    ]
  } catch (error) {
    return [explainFailure(url, error, { url: 'elasticsearch.hosts', ca: 'elasticsearch.ca_cert' })]
  }
}

function authorizationOf({
  apiKey,
  username,
  password,
}: Pick<ElasticsearchOptions, 'apiKey' | 'username' | 'password'>) {
  return apiKey ? `ApiKey ${apiKey}` : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** elastauth lists users with an API of Elasticsearch 8.14. */
const oldest = [8, 14] as const
const newest = 9

/** @param response the response to `GET /`, for which the service account may lack the privilege `monitor` */
export function checkVersion(
  { origin }: URL,
  { status, headers, body }: Pick<Visit, 'status' | 'headers' | 'body'>,
): Finding {
  if (headers['kbn-name'] !== undefined)
    return failure(
      `the response of ${origin} is Kibana's`,
      'write the URL of Elasticsearch in elasticsearch.hosts, usually with port 9200',
    )
  if (status === 401 || status === 403)
    return ok(`${origin} responds (its version is visible with the privilege monitor)`)
  if (status >= 500 || status === 429)
    return failure(`${origin} responds with ${status}`, "look into Elasticsearch's log")
  const [, version = '', major = 0, minor = 0] = /"number"\s*:\s*"((\d+)\.(\d+)[\w.-]*)"/.exec(body) ?? []
  if (headers['x-elastic-product'] !== 'Elasticsearch' || version === '')
    return failure(`the response ${status} of ${origin} is not Elasticsearch's`, 'correct elasticsearch.hosts')
  if (Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1]))
    return failure(`${origin} is Elasticsearch ${version}`, `upgrade it: elastauth needs ${oldest.join('.')} or later`)
  const detail = `${origin} is Elasticsearch ${version}`
  return Number(major) > newest
    ? warning(detail, `elastauth is tested with 8 and ${newest}: use a later elastauth`)
    : ok(detail)
}

function explainLogin(error: unknown): Finding {
  const { detail } = asGatewayError(error)
  const isRejected = detail.includes('responded with 401')
  return failure(detail, isRejected ? 'correct elasticsearch.username and password, or api_key' : undefined)
}

type Users = ReturnType<typeof createUsers>

/** Looks at some users that elastauth has created: their keys, and whether one of them can log in. */
async function checkUsers(config: Config, users: Users): Promise<Finding[]> {
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
    'use the same secret_key in all replicas; after a change of the key, list the former one in previous_secret_keys',
  )
}

type Managed = Readonly<{ username: string; state: ManagedState }>

/** Several, because an administrator may just have changed the password of one. */
async function tryCredentials(managed: readonly Managed[], keys: Keyring, users: Users): Promise<Finding> {
  if (managed.length === 0) return ok('no managed user has signed in recently, so no credential was tried')
  for (const { username, state } of managed) {
    const password = keys.password(state.key_id, username, state.created, state.version)
    if ((await users.authenticate(username, password)) !== undefined)
      return ok(
        "Elasticsearch accepts a managed user's credential",
        'if users get its 401 nevertheless, let the proxy forward Authorization (Traefik: authResponseHeaders: [Authorization])',
      )
  }
  return failure(
    `Elasticsearch rejects the credentials of ${managed.length} managed users who signed in recently`,
    'enable the native realm (xpack.security.authc.realms.native), and let nothing else change their passwords',
  )
}

/** Instead of the checks, if nothing is written to Elasticsearch. */
export const dryRunCheck: Check = {
  id: 'elasticsearch.login',
  title: 'Service account',
  run: async () => skipped('elasticsearch.dry_run is true, so Elasticsearch is not used'),
}

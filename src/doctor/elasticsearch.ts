import type { Config } from '../../config/schema.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { configuredRoles } from '../app/options/handlers.ts'
import type { ElasticsearchOptions } from '../es/client.ts'
import { createCommandClient } from '../es/command-client.ts'
import { createFindMissingRoles, createPing, createPrivilegeCheck } from '../es/service-account.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Check, callLimitOf, type Finding, failure, ok, skipped, warning } from './check.ts'
import { checkManagedUsers } from './managed-users.ts'
import { checkClock, checkExpiry, explainFailure, type ProbeResponse, probe } from './probe.ts'

/** The checks of Elasticsearch, and a function that closes their connections. They only read. */
export function elasticsearchChecks(config: Config): { checks: Check[]; close: () => void } {
  const settings = elasticsearchOptions(config)
  const options = { ...settings, timeoutMs: Math.min(settings.timeoutMs, callLimitOf(config)) }
  const { client, call, users, close } = createCommandClient(options)
  const ping = createPing(client, call)
  const checkPrivilege = createPrivilegeCheck(client, call)
  const findMissingRoles = createFindMissingRoles(client, call)
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
      run: () => checkManagedUsers(config, users),
    },
  ]
  return { checks, close: () => void close() }
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
    const response = await probe(url, { headers: { Authorization: authorizationOf(account) }, connection, signal })
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
  { status, headers, body }: Pick<ProbeResponse, 'status' | 'headers' | 'body'>,
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

/** Instead of the checks, if nothing is written to Elasticsearch. */
export const dryRunCheck: Check = {
  id: 'elasticsearch.login',
  title: 'Service account',
  run: async () => skipped('elasticsearch.dry_run is true, so Elasticsearch is not used'),
}

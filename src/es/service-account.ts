import { GatewayError } from '../http/errors.ts'
import type { Call } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { checkOwnLogin, readPrivileges, readRoleNames } from './read-response.ts'

/** The only cluster privilege that elastauth needs. */
const requiredPrivilege = 'manage_security'

/** Checks that Elasticsearch responds and accepts elastauth's service account. The returned function throws GatewayError. */
export function createPing(client: () => ElasticsearchClient, call: Call): () => Promise<void> {
  return async function ping() {
    await call('ping', async () => checkOwnLogin(await client().security.authenticate()))
  }
}

/** The readiness checks, by name: Elasticsearch accepts the service account, and the account has the privilege. */
export function createServiceAccountChecks(client: () => ElasticsearchClient, call: Call) {
  const checkPrivilege = createPrivilegeCheck(client, call)
  return {
    elasticsearch: createPing(client, call),
    async [`privilege ${requiredPrivilege}`]() {
      try {
        return await checkPrivilege()
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'elasticsearch_unavailable') return 'unknown'
        throw error
      }
    },
  }
}

/**
 * Checks the privilege of elastauth's service account. The returned function throws GatewayError, with the code
 * elasticsearch_rejected if the account lacks the privilege.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-has-privileges
 */
export function createPrivilegeCheck(client: () => ElasticsearchClient, call: Call): () => Promise<void> {
  return async function checkPrivilege() {
    const { username, hasAll } = await call('ping', async () =>
      readPrivileges(await client().security.hasPrivileges({ cluster: [requiredPrivilege] })),
    )
    if (hasAll) return
    throw new GatewayError(
      'elasticsearch_rejected',
      `our service account ${username} lacks the cluster privilege ${requiredPrivilege}: give it a role that has it`,
    )
  }
}

/**
 * Finds configured roles that do not exist in Elasticsearch and therefore grant nothing. The returned function throws
 * GatewayError.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-role
 */
export function createFindMissingRoles(
  client: () => ElasticsearchClient,
  call: Call,
): (roles: readonly string[]) => Promise<string[]> {
  return async function findMissingRoles(roles) {
    const existing = await call('ping', async () => readRoleNames(await client().security.getRole()))
    return roles.filter((role) => !existing.has(role))
  }
}

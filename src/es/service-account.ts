import type { Client } from '@elastic/elasticsearch'
import { GatewayError } from '../http/errors.ts'
import type { Call } from './call.ts'
import { checkOwnLogin, readPrivileges, readRoleNames } from './read-response.ts'

/** What elastauth does in Elasticsearch needs this one cluster privilege. */
const privilege = 'manage_security'

/** Whether Elasticsearch answers and knows our service account. Throws GatewayError. */
export function createPing(client: () => Client, call: Call): () => Promise<void> {
  return async function ping() {
    await call('ping', async () => checkOwnLogin(await client().security.authenticate()))
  }
}

/**
 * Whether our service account may do its work. Throws GatewayError elasticsearch_rejected when it lacks the privilege.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-has-privileges
 */
export function createPrivilegeCheck(client: () => Client, call: Call): () => Promise<void> {
  return async function checkPrivilege() {
    const { username, hasAll } = await call('ping', async () =>
      readPrivileges(await client().security.hasPrivileges({ cluster: [privilege] })),
    )
    if (hasAll) return
    throw new GatewayError(
      'elasticsearch_rejected',
      `our service account ${username} lacks the cluster privilege ${privilege}: give it a role that has it`,
    )
  }
}

/**
 * Which of these roles Elasticsearch does not have: a user gets nothing by them. Throws GatewayError.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-role
 */
export function createFindMissingRoles(
  client: () => Client,
  call: Call,
): (roles: readonly string[]) => Promise<string[]> {
  return async function findMissingRoles(roles) {
    const known = await call('ping', async () => readRoleNames(await client().security.getRole()))
    return roles.filter((role) => !known.has(role))
  }
}

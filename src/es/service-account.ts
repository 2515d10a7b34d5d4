import type { Client } from '@elastic/elasticsearch'
import { GatewayError } from '../errors.ts'
import type { Call } from './call.ts'

/** What elastauth does in Elasticsearch needs this one cluster privilege. */
const privilege = 'manage_security'

/** Whether Elasticsearch answers and knows our service account. Throws GatewayError. */
export function createPing(client: () => Client, call: Call): () => Promise<void> {
  return async function ping() {
    await call('ping', () => client().security.authenticate())
  }
}

/**
 * Whether our service account may do its work. Throws GatewayError elasticsearch_rejected when it lacks the privilege.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-has-privileges
 */
export function createPrivilegeCheck(client: () => Client, call: Call): () => Promise<void> {
  return async function checkPrivilege() {
    const answer = await call('ping', () => client().security.hasPrivileges({ cluster: [privilege] }))
    if (answer.has_all_requested) return
    throw new GatewayError(
      'elasticsearch_rejected',
      `our service account ${answer.username} lacks the cluster privilege ${privilege}: give it a role that has it`,
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
    const known = await call('ping', () => client().security.getRole())
    return roles.filter((role) => !Object.hasOwn(known, role))
  }
}

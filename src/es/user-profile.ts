import { GatewayError } from '../http/errors.ts'
import { type Call, isLoginRejection } from './call.ts'
import type { ElasticsearchClient } from './client.ts'

/**
 * Creates or updates the user's profile, so that Kibana knows the user. The privilege `manage_security` suffices.
 * Throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-activate-user-profile
 */
export function createActivateProfile(client: () => ElasticsearchClient, call: Call) {
  return async function activateProfile(username: string, password: string): Promise<void> {
    await call('profile_activate', async () => {
      try {
        await client().security.activateUserProfile({ grant_type: 'password', username, password })
      } catch (error) {
        // A 401 concerns the user's password, which may have been replaced or disabled meanwhile.
        if (!isLoginRejection(error)) throw error
        throw new GatewayError('elasticsearch_unavailable', 'Elasticsearch rejected the password of the user')
      }
    })
  }
}

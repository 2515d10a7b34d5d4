import type { Call } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { type ApiKey, readApiKeys, readInvalidatedKeys } from './read-response.ts'

/**
 * The API keys of users, which Elasticsearch accepts even after their owner is disabled or deleted. The privilege
 * `manage_security` suffices. Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createApiKeys(client: () => ElasticsearchClient, call: Call) {
  /** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-get-api-key */
  async function read(username: string) {
    return readApiKeys(await client().security.getApiKey({ username, active_only: true, filter_path: fields }))
  }

  return Object.freeze({
    /** The active keys of a native user. */
    list: (username: string): Promise<readonly ApiKey[]> => call('user_read', () => read(username)),

    /**
     * Invalidates all active keys of a native user and those that were created with them, and keeps those of a user of another
     * realm with the same name.
     * @returns how many were active
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-invalidate-api-key
     */
    async invalidateAll(username: string): Promise<number> {
      return call('user_write', async () => {
        const realms = new Set((await read(username)).map(({ realm }) => realm))
        let count = 0
        for (const realm_name of realms)
          count += readInvalidatedKeys(await client().security.invalidateApiKey({ username, realm_name }))
        return count
      })
    },
  })
}

/** A user may have thousands of keys, each with its privileges, and a response is limited to a few megabytes. */
const fields = ['api_keys.id', 'api_keys.name', 'api_keys.username', 'api_keys.realm', 'api_keys.realm_type']

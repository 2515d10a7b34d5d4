import type { Call } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { readIndexModes, readIndexPrivileges } from './read-response.ts'

const privileges = ['create_doc', 'auto_configure', 'index', 'delete', 'delete_index', 'view_index_metadata'] as const

export type IndexPrivileges = Readonly<Record<(typeof privileges)[number], boolean>>

/**
 * Reads what the client's account may do with a data stream, and how its documents are stored.
 * Every function throws GatewayError elasticsearch_unavailable, elasticsearch_rejected.
 */
export function createDataStreamChecks(client: () => ElasticsearchClient, call: Call, name: string) {
  return Object.freeze({
    /** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-has-privileges */
    readPrivileges: (): Promise<IndexPrivileges> =>
      call('ping', async () => {
        const index = [{ names: [name], privileges: [...privileges] }]
        return readIndexPrivileges(await client().security.hasPrivileges({ index }), name, privileges)
      }),

    /**
     * The index mode of the last backing index. Needs the privilege `view_index_metadata`.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-get-settings
     */
    readIndexMode: (): Promise<string | 'absent'> =>
      call('ping', async () => {
        const path = `/${encodeURIComponent(name)}/_settings/index.mode`
        const querystring = { flat_settings: true, include_defaults: true }
        const response = await client().transport.request({ method: 'GET', path, querystring }, { ignore: [404] })
        return readIndexModes(response).at(-1) ?? 'absent'
      }),
  })
}

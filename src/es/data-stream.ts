import type { Call } from './call.ts'
import type { ElasticsearchClient } from './client.ts'
import { readDataStreams, readIndexPrivileges } from './read-response.ts'

const privileges = ['create_doc', 'auto_configure', 'index', 'delete', 'delete_index', 'view_index_metadata'] as const

export type IndexPrivileges = Readonly<Record<(typeof privileges)[number], boolean>>

export type DataStream = Readonly<{ template: string; indexMode: string | undefined }>

/**
 * What the account of the client may do with a data stream, and how the stream is configured.
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
     * Needs the privilege `view_index_metadata`.
     * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-get-data-stream
     */
    readDataStream: (): Promise<DataStream | 'absent'> =>
      call('ping', async () => {
        const path = `/_data_stream/${encodeURIComponent(name)}`
        const body = await client().transport.request({ method: 'GET', path }, { ignore: [404] })
        return readDataStreams(body).find((stream) => stream.name === name) ?? 'absent'
      }),
  })
}

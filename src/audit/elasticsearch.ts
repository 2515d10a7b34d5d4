import type { CreateDocuments } from '../es/create-documents.ts'
import type { Chain, SealedRecord } from './chain.ts'
import type { Target } from './sink.ts'

/** Writes to a data stream. Elasticsearch gets each record with its exact bytes. */
export function createElasticsearchTarget(createDocuments: CreateDocuments, chain: Pick<Chain, 'id'>): Target {
  return Object.freeze({
    name: 'elasticsearch' as const,
    intervalMs: 500,
    write: (records: readonly SealedRecord[]) =>
      createDocuments(records.map(({ sequence, line }) => ({ id: `${chain.id}-${sequence}`, source: line }))),
    close() {},
  })
}

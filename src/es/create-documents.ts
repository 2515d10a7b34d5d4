import { isLoginRejection, reasonOf } from './call.ts'
import type { ElasticsearchClient } from './client.ts'

/** The id makes a repeated call harmless. */
export type NewDocument = Readonly<{ id: string; source: string }>

/** Documents that Elasticsearch will never accept. */
export type Rejection = Readonly<{ count: number; reason: string }>

/** Adds documents to a data stream or an index. Rejects with an Error if the same call may succeed later. */
export type CreateDocuments = (documents: readonly NewDocument[]) => Promise<Rejection | undefined>

/** @param client with an API key of its own, which may only add documents */
export function createDocumentCreation(client: () => ElasticsearchClient, index: string): CreateDocuments {
  const path = `/${encodeURIComponent(index)}/_bulk`
  const querystring = { filter_path: 'errors,items.*.status,items.*.error' }

  return async function createDocuments(documents) {
    const lines = documents.map(({ id, source }) => `{"create":{"_id":"${id}"}}\n${source}`)
    const request = { method: 'POST', path, bulkBody: lines.join(''), querystring }
    return findRejection(await client().transport.request(request).catch(rethrow))
  }
}

/** The client's error is dropped, because it contains the request with its credentials. */
function rethrow(error: unknown): never {
  const detail = isLoginRejection(error) ? 'Elasticsearch does not accept the API key' : reasonOf(error)
  throw new Error(detail)
}

type Item = Readonly<{ status: number; error?: Readonly<{ reason?: unknown }> }>

function findRejection(body: unknown): Rejection | undefined {
  const { errors, items } = body as { errors?: unknown; items?: readonly { create?: Item }[] }
  if (errors === false) return undefined
  if (errors !== true || !Array.isArray(items)) throw new Error('the response to "bulk" does not confirm the documents')
  const failed = items.flatMap(({ create }) => (create === undefined || isCreated(create) ? [] : [create]))
  const temporary = failed.find(({ status }) => status !== 400)
  if (temporary !== undefined) throw new Error(describe(temporary))
  return failed.length === 0 ? undefined : { count: failed.length, reason: describe(failed[0]!) }
}

/** 409: an earlier call whose response was lost created the document. */
function isCreated({ status }: Item): boolean {
  return status < 300 || status === 409
}

function describe({ status, error }: Item): string {
  return `Elasticsearch responded with ${status} to a document: ${String(error?.reason ?? 'no reason given')}`
}

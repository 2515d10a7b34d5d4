import assert from 'node:assert/strict'
import { callElasticsearch } from '../support/elasticsearch/call-elasticsearch.ts'

export type Login = Readonly<{ username: string; password: string }>

/** The username and password in the value of an `Authorization` header. */
export function parseBasic(authorization: string | null | undefined): Login {
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(authorization ?? '')?.[1]
  assert.ok(encoded, `not a Basic credential: ${authorization?.slice(0, 10)}`)
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** Authenticates at a real or fake Elasticsearch with this `Authorization` header. */
export function logIn(elasticsearchUrl: string, authorization: string | null | undefined) {
  return callElasticsearch({ url: elasticsearchUrl, username: '', password: '' }, '/_security/_authenticate', {
    as: null,
    headers: { authorization: authorization ?? '' },
  })
}

/** The real Elasticsearch of the cases that need one. */
import { startElasticsearch } from '../test/support/elasticsearch/elasticsearch.ts'
import type { Elasticsearch } from '../test/support/elasticsearch/node.ts'
import { authorize, logIn } from '../test/support/gateway.ts'
import type { Bench } from './harness.ts'
import { type Flags, quiet, type Running, startElastauth } from './programs.ts'

/** The node that the environment names; without one, how to run the case. */
export async function findElasticsearch(): Promise<Elasticsearch | string> {
  if (process.env.ELASTICSEARCH_URL) return startElasticsearch()
  return 'it needs a real Elasticsearch: `node test/support/elasticsearch/with-elasticsearch.ts -- npm run bench`'
}

export function startElastauthFor(
  { url, username, password }: Elasticsearch,
  bench: Pick<Bench, 'cleanup'>,
  flags: Flags = {},
): Promise<Running> {
  const node = { 'elasticsearch.hosts': url, 'elasticsearch.username': username, 'elasticsearch.timeout': '5m' }
  const env = { ELASTAUTH_ELASTICSEARCH_PASSWORD: password }
  return startElastauth(bench, { ...quiet, ...node, ...flags }, { env })
}

/** One request of a user, and the first sign-in to Elasticsearch with the credential. Throws unless the node accepts it. */
export async function signIn(node: Elasticsearch, gateway: Running, username: string, groups?: string) {
  const { status, authorization } = await authorize(gateway, username, groups)
  const login = await logIn(node, authorization)
  if (status !== 200 || login.status !== 200 || login.username !== username)
    throw new Error(`${username}: ${status}, and Elasticsearch responded ${login.status} ${login.username}`)
  return authorization!
}

import { after } from 'node:test'
import {
  createFakeElasticsearch,
  type FakeElasticsearch,
  type Options,
} from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { type Gateway, type GatewayOptions, startGatewayFor } from '../support/gateway.ts'
import { logIn } from './credential.ts'

export type Fixture = Readonly<{
  elasticsearch: FakeElasticsearch
  elasticsearchUrl: string
  /** Starts another gateway with the same fake Elasticsearch. */
  start: (options?: GatewayOptions) => Promise<Gateway>
  /** How many requests the fake Elasticsearch has received about users. */
  userCalls: () => number
  /** Authenticates with this `Authorization` header at the fake Elasticsearch. */
  logIn: (authorization: string | null | undefined) => ReturnType<typeof logIn>
}>

export const serviceAccount = Object.freeze({
  ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
  ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
})

/**
 * A fake Elasticsearch, and gateways that use it.
 * @param onCleanup takes what stops each of them; by default the `after` hook of the test or file
 */
export async function createFixture(
  options: Options = {},
  onCleanup: (cleanup: () => Promise<unknown>) => void = after,
): Promise<Fixture> {
  const elasticsearch = createFakeElasticsearch(options)
  const elasticsearchUrl = await elasticsearch.listen()
  onCleanup(() => elasticsearch.close())
  return Object.freeze({
    elasticsearch,
    elasticsearchUrl,
    async start(options = {}) {
      const node = { url: elasticsearchUrl, username: 'elastic', password: 'changeme' }
      const gateway = await startGatewayFor(node, options)
      onCleanup(() => gateway.stop())
      return gateway
    },
    userCalls: () =>
      elasticsearch.calls.filter(({ path }) => /^\/_security\/user\/(?!_has_privileges)/.test(path)).length,
    logIn: (authorization) => logIn(elasticsearchUrl, authorization),
  })
}

/** A sub-request about this user, as Traefik sends it. */
export function sendSubRequest(url: string, username: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { 'Remote-User': username, ...headers } })
}

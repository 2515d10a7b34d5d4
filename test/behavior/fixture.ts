import { after } from 'node:test'
import {
  createFakeElasticsearch,
  type FakeElasticsearch,
  type Options,
} from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'
import { logIn } from './credential.ts'

export type Fixture = Readonly<{
  elasticsearch: FakeElasticsearch
  elasticsearchUrl: string
  /** Another elastauth beside the same stand-in. */
  start: (options?: GatewayOptions) => Promise<Gateway>
  /** How often the stand-in was asked about a user, or told to write one. */
  userCalls: () => number
  /** How the stand-in receives somebody with this `Authorization`. */
  logIn: (authorization: string | null | undefined) => ReturnType<typeof logIn>
}>

export const serviceAccount = Object.freeze({
  ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
  ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
})

/** A stand-in for the tests of one file, and gateways that use it; all end after the last test. */
export async function createFixture(options: Options = {}): Promise<Fixture> {
  const elasticsearch = createFakeElasticsearch(options)
  const elasticsearchUrl = await elasticsearch.listen()
  after(() => elasticsearch.close())
  return Object.freeze({
    elasticsearch,
    elasticsearchUrl,
    async start({ flags = {}, env = {}, ...rest }: GatewayOptions = {}) {
      const gateway = await startGateway({
        flags: { 'elasticsearch.hosts': elasticsearchUrl, default_roles: 'viewer', ...flags },
        env: { ...serviceAccount, ...env },
        ...rest,
      })
      after(() => gateway.stop())
      return gateway
    },
    userCalls: () =>
      elasticsearch.calls.filter(({ path }) => /^\/_security\/user\/(?!_has_privileges)/.test(path)).length,
    logIn: (authorization) => logIn(elasticsearchUrl, authorization),
  })
}

/** A forward-auth question about a user, as Traefik would put it. */
export function sendSubRequest(url: string, username: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { 'Remote-User': username, ...headers } })
}

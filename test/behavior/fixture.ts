import { after } from 'node:test'
import { createStandIn, type Options, type StandIn } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'
import { logIn } from './credential.ts'

export type Setting = Readonly<{
  standIn: StandIn
  standInUrl: string
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
export async function createSetting(options: Options = {}): Promise<Setting> {
  const standIn = createStandIn(options)
  const standInUrl = await standIn.listen()
  after(() => standIn.close())
  return Object.freeze({
    standIn,
    standInUrl,
    async start({ flags = {}, env = {}, ...rest }: GatewayOptions = {}) {
      const gateway = await startGateway({
        flags: { 'elasticsearch.hosts': standInUrl, default_roles: 'viewer', ...flags },
        env: { ...serviceAccount, ...env },
        ...rest,
      })
      after(() => gateway.stop())
      return gateway
    },
    userCalls: () => standIn.calls.filter(({ path }) => /^\/_security\/user\/(?!_has_privileges)/.test(path)).length,
    logIn: (authorization) => logIn(standInUrl, authorization),
  })
}

/** A forward-auth question about a user, as Traefik would put it. */
export function askFor(url: string, username: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { 'Remote-User': username, ...headers } })
}

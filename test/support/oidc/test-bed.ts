import type { IncomingMessage } from 'node:http'
import { after } from 'node:test'
import { type Gateway, startGateway } from '../gateway.ts'
import { findFreePort } from '../port.ts'
import { startUpstream, type Upstream, userOf } from '../upstream.ts'
import { type OidcProvider, type OidcProviderOptions, startOidcProvider } from './provider.ts'

export type OidcTestBed = Readonly<{
  idp: OidcProvider
  /** Takes the place of Kibana: each page shows the username of the request's credential. */
  app: Upstream
  /** All requests to the app, in order. */
  appRequests: readonly IncomingMessage[]
  /** A gateway in proxy mode in front of the app, registered at the provider. It runs until the last test of the file. */
  startProxy: (flags?: Flags, env?: Flags) => Promise<Gateway>
  /** A gateway in auth-only mode. The test has to register the proxy in front of it at the provider. */
  startForwardAuth: (flags?: Flags, env?: Flags) => Promise<Gateway>
}>

type Flags = Readonly<Record<string, string>>

/** An identity provider, an application, and gateways with a login; no Elasticsearch. */
export async function createOidcTestBed(options: OidcProviderOptions = {}): Promise<OidcTestBed> {
  const idp = await startOidcProvider(options)
  after(() => idp.stop())
  const appRequests: IncomingMessage[] = []
  const app = await startUpstream((request, response) => {
    appRequests.push(request)
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(pageFor(request))
  })

  async function start(flags: Flags, env: Flags): Promise<Gateway> {
    const gateway = await startGateway({
      flags: {
        ...('auth_providers' in flags ? {} : { auth_provider: 'oidc' }),
        'oidc.issuer': idp.issuer,
        'oidc.client_id': idp.clientId,
        'oidc.timeout': '30s', // on a busy machine, a call may take longer than the default of 5 s
        'elasticsearch.dry_run': 'true',
        ...flags,
      },
      env: {
        ELASTAUTH_OIDC_CLIENT_SECRET: idp.clientSecret,
        ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser"], "staff": ["viewer"]}', // carol has no role
        ...env,
      },
    })
    after(() => gateway.stop())
    return gateway
  }

  return Object.freeze({
    idp,
    app,
    appRequests,
    async startProxy(flags = {}, env = {}) {
      const listen = `127.0.0.1:${await findFreePort()}`
      const origin = `http://${listen}`
      idp.register(origin)
      const defaults = {
        listen,
        'proxy.enabled': 'true',
        'proxy.elasticsearch_url': app.url,
        'oidc.post_logout_redirect_url': `${origin}/elastauth/signed-out`,
      }
      return start({ ...defaults, ...flags }, env)
    },
    startForwardAuth: (flags = {}, env = {}) => start(flags, env),
  })
}

function pageFor({ url, headers }: IncomingMessage): string {
  const escaped = (url ?? '').replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<!doctype html><html lang="en"><title>App</title>
<h1>Hello ${userOf(headers.authorization)}</h1>
<p>${escaped}</p>
<a href="/logout">Log out</a>`
}

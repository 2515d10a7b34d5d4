import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWTPayload } from 'jose'
import Provider, { type AdapterPayload } from 'oidc-provider'
import { type Accounts, createAccounts } from './accounts.ts'
import { createAdapter } from './adapter.ts'
import { createConfiguration, type Lifetimes, type Settings } from './configuration.ts'
import { answerJson, type Interposed } from './faults.ts'
import { createJwtUserinfo, isJwt } from './jwt-userinfo.ts'
import { createSigningKey, publicJwk, type SigningKey, signJwt } from './keys.ts'
import { createSignInForm } from './sign-in-form.ts'
import { requestTokens, type Tokens } from './tokens.ts'

export type Endpoint = keyof typeof paths | 'other'
/** A token request as the provider ended it. */
export type Grant = Readonly<{ type: string; error?: string }>

export type OidcProviderOptions = Partial<Omit<Settings, 'key' | 'accounts' | 'lifetimes'>> &
  Readonly<{
    lifetimes?: Partial<Lifetimes>
    /** Of the client's registration, in place of what it would be. */
    client?: Readonly<Record<string, unknown>>
  }>

export type OidcProvider = Readonly<{
  /** `http://localhost:port`: another site than 127.0.0.1, where the gateways are. */
  issuer: string
  port: number
  clientId: string
  clientSecret: string
  accounts: Accounts
  lifetimes: Lifetimes
  /** The key the provider signs with. */
  key: SigningKey
  /** All keys in the JWKS: push another, or empty it. */
  keys: SigningKey[]
  /** Lets a gateway under this address (`http://127.0.0.1:1234`) be returned to, by login and by both logouts. */
  register: (origin: string) => void
  /** Every request that came, in order. */
  requests: readonly Readonly<{
    endpoint: Endpoint
    method: string
    url: string
    headers: IncomingMessage['headers']
  }>[]
  calls: (endpoint: Endpoint) => number
  /** Every answer of the token endpoint, in order. */
  grants: readonly Grant[]
  /** Puts something in front of an endpoint, until the function it gives back is called. */
  interpose: (endpoint: Endpoint, stand: Interposed) => () => void
  /** A JWT of this issuer for this client with an hour to live, signed by `key`; claims given are put over these. */
  sign: (claims?: JWTPayload, header?: Readonly<Record<string, unknown>>, key?: SigningKey) => Promise<string>
  /** Real tokens for somebody, by the whole code flow. */
  tokensFor: (username: string, scope?: string) => Promise<Tokens>
  /** Closes the port: connections are refused, as when the provider is not running. */
  pause: () => Promise<void>
  resume: () => Promise<void>
  stop: () => Promise<void>
}>

type Client = AdapterPayload & { redirect_uris: readonly string[]; post_logout_redirect_uris: readonly string[] }

const paths = {
  discovery: '/.well-known/openid-configuration',
  jwks: '/jwks',
  authorization: '/auth',
  token: '/token',
  userinfo: '/me',
  introspection: '/token/introspection',
  revocation: '/token/revocation',
  endSession: '/session/end',
} as const

const clientId = 'kibana'
const clientSecret = 'a secret of the tests & its 100% + odd characters'

/** The real oidc-provider on a free port, with one client and a form to sign in by. */
export async function startOidcProvider(options: OidcProviderOptions = {}): Promise<OidcProvider> {
  const accounts = createAccounts()
  const lifetimes: Lifetimes = { accessToken: 3600, idToken: 3600, refreshToken: 86_400, ...options.lifetimes }
  const key = createSigningKey()
  const keys = [key]
  const requests: OidcProvider['requests'][number][] = []
  const grants: Grant[] = []
  const interposed = new Map<Endpoint, Interposed>()
  const clients = new Map<string, AdapterPayload>()
  let answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => {}

  const server = createServer((request, response) => {
    const { method = '', url = '/', headers } = request
    const endpoint = endpointOf(url)
    requests.push({ endpoint, method, url, headers })
    const stand = interposed.get(endpoint)
    if (stand) stand(request, response, () => answer(request, response))
    else answer(request, response)
  })
  const listen = async (port: number) => {
    server.listen(port, 'localhost')
    await once(server, 'listening')
  }
  const close = async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  await listen(0)
  const { port } = server.address() as AddressInfo
  const issuer = `http://localhost:${port}`

  const settings = { accessTokens: 'opaque', audience: clientId, claimsIn: 'id_token', ...options } as const
  const provider = new Provider(issuer, {
    ...createConfiguration({ ...settings, accounts, key, lifetimes }),
    adapter: createAdapter(clients),
  })
  provider.on('grant.success', (ctx) => grants.push({ type: String(ctx.oidc.params?.grant_type) }))
  provider.on('grant.error', (ctx, { error }) => grants.push({ type: String(ctx.oidc.params?.grant_type), error }))
  const answerByProvider = provider.callback()
  const answerUserinfo = createJwtUserinfo(keys, accounts)
  const signInForm = createSignInForm(provider, accounts)
  answer = (request, response) => {
    const { pathname } = new URL(request.url ?? '/', issuer)
    if (pathname.startsWith('/interaction/')) return signInForm(request, response)
    if (pathname === paths.jwks) return answerJson(200, { keys: keys.map(publicJwk) })(request, response, () => {})
    if (pathname === paths.userinfo && isJwt(request)) return answerUserinfo(request, response)
    return answerByProvider(request, response)
  }

  const client: Client = {
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    backchannel_logout_session_required: true,
    redirect_uris: [`${issuer}/nowhere`],
    post_logout_redirect_uris: [],
    ...options.client,
  }
  clients.set(clientId, client)

  return Object.freeze({
    issuer,
    port,
    clientId,
    clientSecret,
    accounts,
    lifetimes,
    key,
    keys,
    requests,
    grants,
    register(origin: string) {
      const { redirect_uris, post_logout_redirect_uris, ...rest } = clients.get(clientId) as Client
      clients.set(clientId, {
        backchannel_logout_uri: `${origin}/elastauth/backchannel-logout`,
        ...rest,
        redirect_uris: [...redirect_uris, `${origin}/elastauth/callback`],
        post_logout_redirect_uris: [...post_logout_redirect_uris, `${origin}/elastauth/signed-out`, `${origin}/`],
      })
    },
    calls: (endpoint: Endpoint) => requests.filter((request) => request.endpoint === endpoint).length,
    interpose(endpoint: Endpoint, stand: Interposed) {
      interposed.set(endpoint, stand)
      return () => void interposed.delete(endpoint)
    },
    sign(claims: JWTPayload = {}, header = {}, signingKey = key) {
      const now = Math.floor(Date.now() / 1000)
      const usual = { iss: issuer, aud: clientId, sub: 'alice', iat: now, exp: now + 3600, ...accounts.get('alice') }
      return signJwt(signingKey, { ...usual, ...claims }, header)
    },
    tokensFor: (username: string, scope = 'openid profile email groups') =>
      requestTokens({ issuer, clientId, clientSecret, redirectUri: `${issuer}/nowhere` }, username, scope),
    pause: close,
    resume: () => listen(port),
    stop: async () => {
      if (server.listening) await close()
    },
  })
}

function endpointOf(url: string): Endpoint {
  const path = url.split('?', 1)[0]
  return (Object.keys(paths) as (keyof typeof paths)[]).find((name) => paths[name] === path) ?? 'other'
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWTPayload } from 'jose'
import Provider from 'oidc-provider'
import { type Accounts, createAccounts } from './accounts.ts'
import { createAdapter } from './adapter.ts'
import { createClients, credentials } from './clients.ts'
import { createConfiguration, type Lifetimes, type Settings } from './configuration.ts'
import { type Endpoint, endpointOf } from './endpoints.ts'
import { answerJson, type Interposed } from './faults.ts'
import { createJwtUserinfo, isJwt } from './jwt-userinfo.ts'
import { createSigningKey, publicJwk, type SigningKey, signJwt } from './keys.ts'
import { startServer } from './server.ts'
import { createSignInForm } from './sign-in-form.ts'
import { requestTokens, type Tokens } from './tokens.ts'

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

/** The real oidc-provider on a free port, with one client and a form to sign in by. */
export async function startOidcProvider(options: OidcProviderOptions = {}): Promise<OidcProvider> {
  const accounts = createAccounts()
  const lifetimes: Lifetimes = { accessToken: 3600, idToken: 3600, refreshToken: 86_400, ...options.lifetimes }
  const key = createSigningKey()
  const keys = [key]
  const requests: OidcProvider['requests'][number][] = []
  const grants: Grant[] = []
  const interposed = new Map<Endpoint, Interposed>()
  let answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => {}

  const { port, pause, resume } = await startServer((request, response) => {
    const { method = '', url = '/', headers } = request
    const endpoint = endpointOf(url)
    requests.push({ endpoint, method, url, headers })
    const stand = interposed.get(endpoint)
    if (stand) stand(request, response, () => answer(request, response))
    else answer(request, response)
  })
  const issuer = `http://localhost:${port}`
  const redirectUri = `${issuer}/nowhere`
  const clients = createClients(redirectUri, options.client)

  const settings = { accessTokens: 'opaque', audience: credentials.clientId, claimsIn: 'id_token', ...options } as const
  const provider = new Provider(issuer, {
    ...createConfiguration({ ...settings, accounts, key, lifetimes }),
    adapter: createAdapter(clients.find),
  })
  provider.on('grant.success', (ctx) => grants.push({ type: String(ctx.oidc.params?.grant_type) }))
  provider.on('grant.error', (ctx, { error }) => grants.push({ type: String(ctx.oidc.params?.grant_type), error }))
  const answerByProvider = provider.callback()
  const answerUserinfo = createJwtUserinfo(keys, accounts)
  const signInForm = createSignInForm(provider, accounts)
  answer = (request, response) => {
    const { url = '' } = request
    const endpoint = endpointOf(url)
    if (url.startsWith('/interaction/')) return signInForm(request, response)
    if (endpoint === 'jwks') return answerJson(200, { keys: keys.map(publicJwk) })(request, response, () => {})
    if (endpoint === 'userinfo' && isJwt(request)) return answerUserinfo(request, response)
    return answerByProvider(request, response)
  }

  return Object.freeze({
    issuer,
    port,
    ...credentials,
    accounts,
    lifetimes,
    key,
    keys,
    requests,
    grants,
    register: clients.register,
    calls: (endpoint: Endpoint) => requests.filter((request) => request.endpoint === endpoint).length,
    interpose(endpoint: Endpoint, stand: Interposed) {
      interposed.set(endpoint, stand)
      return () => void interposed.delete(endpoint)
    },
    sign(claims: JWTPayload = {}, header = {}, signingKey = key) {
      const now = Math.floor(Date.now() / 1000)
      const usual = {
        iss: issuer,
        aud: credentials.clientId,
        sub: 'alice',
        iat: now,
        exp: now + 3600,
        ...accounts.get('alice'),
      }
      return signJwt(signingKey, { ...usual, ...claims }, header)
    },
    tokensFor: (username: string, scope = 'openid profile email groups') =>
      requestTokens({ issuer, redirectUri, ...credentials }, username, scope),
    pause,
    resume,
    stop: pause,
  })
}

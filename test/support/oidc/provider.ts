import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWTPayload } from 'jose'
import Provider from 'oidc-provider'
import { type Accounts, createAccounts } from './accounts.ts'
import { createAdapter } from './adapter.ts'
import { createClients, credentials } from './clients.ts'
import { createConfiguration, type Lifetimes, type ProviderSettings } from './configuration.ts'
import { type Endpoint, endpointOf } from './endpoints.ts'
import { type Interceptor, respondJson } from './faults.ts'
import { createJwtUserinfo, isJwt } from './jwt-userinfo.ts'
import { createSigningKey, publicJwk, type SigningKey, signJwt } from './keys.ts'
import { startServer } from './server.ts'
import { createSignInForm } from './sign-in-form.ts'
import { requestTokens, type Tokens } from './tokens.ts'

/** The result of a token request. */
export type Grant = Readonly<{ type: string; error?: string }>

export type OidcProviderOptions = Partial<Omit<ProviderSettings, 'key' | 'accounts' | 'lifetimes'>> &
  Readonly<{
    lifetimes?: Partial<Lifetimes>
    /** Overrides metadata of the client's registration. */
    client?: Readonly<Record<string, unknown>>
  }>

export type OidcProvider = Readonly<{
  /** `http://localhost:port`: a different site than 127.0.0.1, where the gateways listen. */
  issuer: string
  port: number
  clientId: string
  clientSecret: string
  accounts: Accounts
  lifetimes: Lifetimes
  /** The key that the provider signs with. */
  key: SigningKey
  /** The keys in the JWKS. A test may change the array. */
  keys: SigningKey[]
  /** Registers the redirect URIs of a gateway (`http://127.0.0.1:1234`) for the login and both logouts. */
  register: (origin: string) => void
  /** All requests to the provider, in order. */
  requests: readonly Readonly<{
    endpoint: Endpoint
    method: string
    url: string
    headers: IncomingMessage['headers']
  }>[]
  calls: (endpoint: Endpoint) => number
  /** The results of all token requests, in order. */
  grants: readonly Grant[]
  /** Intercepts the requests to an endpoint until the returned function is called. */
  intercept: (endpoint: Endpoint, interceptor: Interceptor) => () => void
  /** A JWT from this issuer for this client, valid for an hour and signed with `key`. `claims` override its claims. */
  sign: (claims?: JWTPayload, header?: Readonly<Record<string, unknown>>, key?: SigningKey) => Promise<string>
  /** Real tokens of a user, obtained by the whole code flow. */
  tokensFor: (username: string, scope?: string) => Promise<Tokens>
  /** Closes the port, so that connections are refused. */
  pause: () => Promise<void>
  resume: () => Promise<void>
  stop: () => Promise<void>
}>

/** Starts oidc-provider on a free port, with one client and a sign-in form. */
export async function startOidcProvider(options: OidcProviderOptions = {}): Promise<OidcProvider> {
  const accounts = createAccounts()
  const lifetimes: Lifetimes = { accessToken: 3600, idToken: 3600, refreshToken: 86_400, ...options.lifetimes }
  const key = createSigningKey()
  const keys = [key]
  const requests: OidcProvider['requests'][number][] = []
  const grants: Grant[] = []
  const interceptors = new Map<Endpoint, Interceptor>()
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => {}

  const { port, pause, resume } = await startServer((request, response) => {
    const { method = '', url = '/', headers } = request
    const endpoint = endpointOf(url)
    requests.push({ endpoint, method, url, headers })
    const interceptor = interceptors.get(endpoint)
    if (interceptor) interceptor(request, response, () => handle(request, response))
    else handle(request, response)
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
  const handleByProvider = provider.callback()
  const handleUserinfo = createJwtUserinfo(keys, accounts)
  const signInForm = createSignInForm(provider, accounts)
  handle = (request, response) => {
    const { url = '' } = request
    const endpoint = endpointOf(url)
    if (url.startsWith('/interaction/')) return signInForm(request, response)
    if (endpoint === 'jwks') return respondJson(200, { keys: keys.map(publicJwk) })(request, response, () => {})
    if (endpoint === 'userinfo' && isJwt(request)) return handleUserinfo(request, response)
    return handleByProvider(request, response)
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
    intercept(endpoint: Endpoint, interceptor: Interceptor) {
      interceptors.set(endpoint, interceptor)
      return () => void interceptors.delete(endpoint)
    },
    sign(claims: JWTPayload = {}, header = {}, signingKey = key) {
      const now = Math.floor(Date.now() / 1000)
      const defaults = {
        iss: issuer,
        aud: credentials.clientId,
        sub: 'alice',
        iat: now,
        exp: now + 3600,
        ...accounts.get('alice'),
      }
      return signJwt(signingKey, { ...defaults, ...claims }, header)
    },
    tokensFor: (username: string, scope = 'openid profile email groups') =>
      requestTokens({ issuer, redirectUri, ...credentials }, username, scope),
    pause,
    resume,
    stop: pause,
  })
}

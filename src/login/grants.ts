import * as client from 'openid-client'
import type { RequestRefresh } from '../sessions/refresh.ts'
import type { Login } from '../sessions/sessions.ts'
import { toLoginError } from './login-error.ts'
import type { LoginState } from './login-state.ts'
import { mayHaveConsumedToken } from './refresh-outcome.ts'

export type GrantsOptions = Readonly<{
  configuration: () => Promise<client.Configuration>
  /** The scopes to request from a provider that lists these scopes in its metadata. */
  scopesFor: (supported: readonly string[] | undefined) => readonly string[]
  usePkce: boolean
  /** Additional parameters of the authorization request, such as `access_type: offline`. */
  extraParameters: Readonly<Record<string, string>>
  /** Limits concurrent calls that anyone can cause, for example with invented codes. Refreshes of sessions are not limited. */
  limitConcurrency: <T>(call: () => Promise<T>) => Promise<T>
  /** Combines the available claims of the ID token and of userinfo with the session's earlier claims. See `GrantedTokens`. */
  combineClaims: (given: GivenClaims, former?: SourcedClaims) => SourcedClaims & Readonly<{ isFresh: boolean }>
  now: () => number
}>

type Claims = Readonly<Record<string, unknown>>
type GivenClaims = Readonly<{ idToken?: Claims | undefined; userinfo?: Claims | undefined }>
type SourcedClaims = Readonly<{ claims: Claims; fromUserinfo: readonly string[] }>

/** The OAuth grants of sign-ins and sessions. Every function rejects with GatewayError provider_unavailable. */
export type Grants = Readonly<{
  /** The URL at the provider where a login begins. */
  authorizationUrl: (redirectUri: string, state: LoginState) => Promise<URL>
  /** Validates the authorization response and redeems its code. Also rejects with login_failed, login_denied. */
  exchangeCode: (callback: URL, state: LoginState) => Promise<Login>
  refresh: RequestRefresh
}>

/** For providers that do not send `expires_in`. */
const defaultTokenTtlMs = 300_000
const minTokenTtlMs = 1000

/**
 * The authorization code flow with PKCE and refresh tokens (OpenID Connect Core 1.0, sections 3.1 and 12; RFC 7636). `state`
 * prevents login CSRF, the nonce prevents replay of an ID token, and `iss` prevents mix-up of providers (RFC 9207).
 */
export function createGrants(options: GrantsOptions): Grants {
  const { configuration, scopesFor, usePkce, extraParameters, limitConcurrency, combineClaims, now } = options

  async function authorizationUrl(redirectUri: string, { state, nonce, verifier }: LoginState): Promise<URL> {
    const config = await configuration()
    const parameters = {
      ...extraParameters,
      redirect_uri: redirectUri,
      scope: scopesFor(config.serverMetadata().scopes_supported).join(' '),
      response_type: 'code',
      state,
      nonce,
      ...(usePkce && {
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }),
    }
    if (config.serverMetadata().require_pushed_authorization_requests !== true) {
      return client.buildAuthorizationUrl(config, parameters)
    }
    return limitConcurrency(() => client.buildAuthorizationUrlWithPAR(config, parameters)).catch((error) => {
      throw toLoginError(error)
    })
  }

  async function exchangeCode(callback: URL, state: LoginState): Promise<Login> {
    const config = await configuration()
    return limitConcurrency(() => requestLogin(config, callback, state)).catch((error) => {
      throw toLoginError(error)
    })
  }

  async function requestLogin(
    config: client.Configuration,
    callback: URL,
    { state, nonce, verifier }: LoginState,
  ): Promise<Login> {
    const tokens = await client.authorizationCodeGrant(config, callback, {
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
      ...(usePkce && { pkceCodeVerifier: verifier }),
    })
    const idToken = tokens.claims()!
    const { sub: subject, sid } = idToken
    const combined = combineClaims({ idToken, userinfo: await fetchUserinfo(config, tokens.access_token, subject) })
    return { ...toGrantedTokens(tokens, now), ...combined, subject, sid: typeof sid === 'string' ? sid : undefined }
  }

  async function refresh(...[refreshToken, session]: Parameters<RequestRefresh>): ReturnType<RequestRefresh> {
    const config = await configuration()
    let tokens: TokenResponse
    try {
      tokens = await client.refreshTokenGrant(config, refreshToken)
    } catch (error) {
      if (error instanceof client.ResponseBodyError && error.error === 'invalid_grant') return 'rejected'
      const loginError = toLoginError(error)
      if (mayHaveConsumedToken(error)) return { unconfirmed: loginError }
      throw loginError
    }
    const idToken = tokens.claims()
    // The subject must not change (OpenID Connect Core 1.0, section 12.2).
    if (idToken !== undefined && idToken.sub !== session.subject) return 'rejected'
    const former = { claims: session.claims, fromUserinfo: session.fromUserinfo ?? [] }
    try {
      const userinfo = await fetchUserinfo(config, tokens.access_token, session.subject)
      return { ...toGrantedTokens(tokens, now), ...combineClaims({ idToken, userinfo }, former) }
    } catch {
      // The provider has consumed the old refresh token, so the new one must be stored.
      return { ...toGrantedTokens(tokens, now), ...former, claims: undefined, isFresh: false }
    }
  }

  return Object.freeze({ authorizationUrl, exchangeCode, refresh })
}

type TokenResponse = client.TokenEndpointResponse & client.TokenEndpointResponseHelpers

async function fetchUserinfo(config: client.Configuration, accessToken: string, subject: string) {
  if (config.serverMetadata().userinfo_endpoint === undefined) return undefined
  return client.fetchUserInfo(config, accessToken, subject)
}

function toGrantedTokens(tokens: TokenResponse, now: () => number) {
  const { refresh_token: refreshToken, id_token: idToken } = tokens
  const ttlSeconds = tokens.expiresIn() ?? ttlOf(tokens.claims()?.exp, now)
  return { refreshToken, idToken, tokenExpiresAt: now() + Math.max(minTokenTtlMs, ttlSeconds * 1000) }
}

/** In seconds. @param exp of the ID token, in seconds since 1970 */
function ttlOf(exp: number | undefined, now: () => number): number {
  return (exp === undefined ? defaultTokenTtlMs : exp * 1000 - now()) / 1000
}

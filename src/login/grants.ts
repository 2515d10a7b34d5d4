import * as client from 'openid-client'
import type { Redeem } from '../sessions/refresh.ts'
import type { Login } from '../sessions/sessions.ts'
import { toLoginError } from './login-error.ts'
import type { LoginState } from './login-state.ts'
import { mayBeRedeemed } from './redemption.ts'

export type GrantsOptions = Readonly<{
  configuration: () => Promise<client.Configuration>
  scopes: readonly string[]
  usePkce: boolean
  /** Sent with every login, such as `access_type: offline`. */
  parameters: Readonly<Record<string, string>>
  /** Runs when it is its turn what anybody can make us ask, with an invented code for one. Sessions do not wait in that line. */
  inTurn: <T>(ask: () => Promise<T>) => Promise<T>
  /** Claims of the ID token and of userinfo, as far as available, combined with the earlier claims: see Granted. */
  combineClaims: (given: GivenClaims, former?: SourcedClaims) => SourcedClaims & Readonly<{ isFresh: boolean }>
  now: () => number
}>

type Claims = Readonly<Record<string, unknown>>
type GivenClaims = Readonly<{ idToken?: Claims | undefined; userinfo?: Claims | undefined }>
type SourcedClaims = Readonly<{ claims: Claims; fromUserinfo: readonly string[] }>

/** What we ask of the provider for people. Every function rejects with GatewayError provider_unavailable. */
export type Grants = Readonly<{
  /** Where to send a person for a login. */
  authorizationUrl: (redirectUri: string, attempt: LoginState) => Promise<URL>
  /** The provider's answer to a login, checked and redeemed. Rejects with login_failed, login_denied, too. */
  redeemCode: (callback: URL, attempt: LoginState) => Promise<Login>
  refresh: Redeem
}>

/** Where a provider does not say how long its token lives, in milliseconds. */
const supposedLife = 300_000
const shortestLife = 1000

/** Authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9207) and refresh (12). */
export function createGrants(options: GrantsOptions): Grants {
  const { configuration, scopes, usePkce, parameters, inTurn, combineClaims, now } = options

  async function authorizationUrl(redirectUri: string, { state, nonce, verifier }: LoginState): Promise<URL> {
    const config = await configuration()
    const asked = {
      ...parameters,
      redirect_uri: redirectUri,
      scope: scopes.join(' '),
      response_type: 'code',
      state,
      nonce,
      ...(usePkce && {
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }),
    }
    if (config.serverMetadata().require_pushed_authorization_requests !== true) {
      return client.buildAuthorizationUrl(config, asked)
    }
    return inTurn(() => client.buildAuthorizationUrlWithPAR(config, asked)).catch((error) => {
      throw toLoginError(error)
    })
  }

  async function redeemCode(callback: URL, attempt: LoginState): Promise<Login> {
    const config = await configuration()
    return inTurn(() => redeem(config, callback, attempt)).catch((error) => {
      throw toLoginError(error)
    })
  }

  async function redeem(
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
    const combined = combineClaims({ idToken, userinfo: await userinfo(config, tokens.access_token, subject) })
    return { ...granted(tokens), ...combined, subject, sid: typeof sid === 'string' ? sid : undefined }
  }

  async function refresh(...[refreshToken, session]: Parameters<Redeem>): ReturnType<Redeem> {
    const config = await configuration()
    let tokens: Awaited<ReturnType<typeof client.refreshTokenGrant>>
    try {
      tokens = await client.refreshTokenGrant(config, refreshToken)
    } catch (error) {
      if (error instanceof client.ResponseBodyError && error.error === 'invalid_grant') return 'refused'
      const failure = toLoginError(error)
      if (mayBeRedeemed(error)) return { unanswered: failure }
      throw failure
    }
    const idToken = tokens.claims()
    if (idToken !== undefined && idToken.sub !== session.subject) return 'refused' // somebody else's
    const former = { claims: session.claims, fromUserinfo: session.fromUserinfo ?? [] }
    try {
      const given = { idToken, userinfo: await userinfo(config, tokens.access_token, session.subject) }
      return { ...granted(tokens), ...combineClaims(given, former) }
    } catch {
      // The old refresh token has been used: the new one must be kept.
      return { ...granted(tokens), ...former, claims: undefined, isFresh: false }
    }
  }

  async function userinfo(config: client.Configuration, accessToken: string, subject: string) {
    if (config.serverMetadata().userinfo_endpoint === undefined) return undefined
    return client.fetchUserInfo(config, accessToken, subject)
  }

  function granted(tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers) {
    const { refresh_token: refreshToken, id_token: idToken } = tokens
    const life = tokens.expiresIn() ?? lifeOf(tokens.claims()?.exp)
    return { refreshToken, idToken, tokenEnd: now() + Math.max(shortestLife, life * 1000) }
  }

  function lifeOf(exp: number | undefined): number {
    return (exp === undefined ? supposedLife : exp * 1000 - now()) / 1000
  }

  return Object.freeze({ authorizationUrl, redeemCode, refresh })
}

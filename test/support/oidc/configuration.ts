import type { Configuration, JWKS } from 'oidc-provider'
import { type Accounts, claimsOfScopes } from './accounts.ts'
import { privateJwk, type SigningKey } from './keys.ts'

/** In seconds. A test may change them while the provider runs. */
export type Lifetimes = { accessToken: number; idToken: number; refreshToken: number }

export type ProviderSettings = Readonly<{
  accounts: Accounts
  key: SigningKey
  lifetimes: Lifetimes
  /** JWT access tokens have `audience`; opaque ones are for the provider's userinfo endpoint. */
  accessTokens: 'opaque' | 'jwt'
  audience: string
  /** Where the claims of a scope are: in the ID token and at the userinfo endpoint, or at the latter only. */
  claimsIn: 'id_token' | 'userinfo'
}>

/** The resource indicator (RFC 8707): any absolute URI. The audience of the token is set separately. */
const resource = 'urn:elastauth:test'

/** The provider issues refresh tokens to all clients, rotates them at each use, asks for no consent, and supports all logouts. */
export function createConfiguration(settings: ProviderSettings): Configuration {
  const { accounts, lifetimes } = settings
  return {
    jwks: { keys: [privateJwk(settings.key)] } as JWKS,
    cookies: { keys: ['for tests only'] },
    claims: claimsOfScopes,
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    conformIdTokenClaims: settings.claimsIn === 'userinfo',
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: () => lifetimes.accessToken,
      ClientCredentials: () => lifetimes.accessToken,
      IdToken: () => lifetimes.idToken,
      RefreshToken: () => lifetimes.refreshToken,
      Grant: 86_400,
      Interaction: 3_600,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      rpInitiatedLogout: { enabled: true, logoutSource: confirmLogout, postLogoutSuccessSource: confirmSignedOut },
      resourceIndicators: {
        enabled: settings.accessTokens === 'jwt',
        defaultResource: async () => resource,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: 'openid profile email groups',
          audience: settings.audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: settings.key.alg } },
        }),
      },
    },
    // JWT access tokens have the claims of the userinfo endpoint.
    async extraTokenClaims(_ctx, token) {
      return 'accountId' in token ? { ...accounts.get(token.accountId) } : {}
    },
    async findAccount(_ctx, sub) {
      const claims = accounts.get(sub)
      return claims && { accountId: sub, claims: async () => ({ ...claims, sub }) }
    },
    async loadExistingGrant({ oidc: { provider, client, session, params } }) {
      const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! })
      grant.addOIDCScope(String(params?.scope))
      grant.addResourceScope(resource, String(params?.scope))
      await grant.save()
      return grant
    },
    interactions: { url: async (_ctx, { uid }) => `/interaction/${uid}` },
    // For the back-channel logout: by default, the provider rejects loopback addresses, and does not wait for more than 2.5 s.
    fetch: (url, { dispatcher: _, signal: __, ...options }: RequestInit & { dispatcher?: unknown } = {}) =>
      fetch(url, options),
    async renderError(ctx, out) {
      ctx.type = 'text'
      ctx.body = `provider error: ${out.error}: ${out.error_description}`
    },
    pkce: { required: () => false },
    clientBasedCORS: () => false,
  }
}

type Page = { body: unknown }

async function confirmLogout(ctx: Page, form: string): Promise<void> {
  ctx.body = `<!doctype html><html lang="en"><title>Sign out</title><h1>Sign out?</h1>${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`
}

async function confirmSignedOut(ctx: Page): Promise<void> {
  ctx.body = '<!doctype html><html lang="en"><title>Signed out</title><h1>Signed out at the provider</h1>'
}

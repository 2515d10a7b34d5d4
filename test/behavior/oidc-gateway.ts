import { after } from 'node:test'
import type { Gateway, GatewayOptions } from '../support/gateway.ts'
import { type OidcProvider, type OidcProviderOptions, startOidcProvider } from '../support/oidc/provider.ts'
import type { Fixture } from './fixture.ts'

/** Starts a provider for the tests of one file, and stops it after the last one. */
export async function createProviderFor(options: OidcProviderOptions = {}): Promise<OidcProvider> {
  const provider = await startOidcProvider(options)
  after(() => provider.stop())
  return provider
}

/** Starts a gateway that accepts the provider's tokens, without sign-in through elastauth. */
export function startTokens(
  { start }: Fixture,
  { issuer, clientId, clientSecret }: OidcProvider,
  { flags = {}, env = {} }: GatewayOptions = {},
): Promise<Gateway> {
  const provider = 'auth_providers' in flags ? {} : { auth_provider: 'oidc' }
  return start({
    flags: {
      ...provider,
      'oidc.issuer': issuer,
      'oidc.client_id': clientId,
      'oidc.login': 'false',
      'oidc.timeout': '30s', // on a busy machine, a call may take longer than the default of 5 s
      ...flags,
    },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: clientSecret, ...env },
  })
}

/** A sub-request with a bearer token. */
export function bearer(url: string, token: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { Authorization: `Bearer ${token}`, ...headers } })
}

/** The status, and the username or the error code: `200 bob`, `401 token_invalid`. */
export async function verdictOf(response: Response): Promise<string> {
  const body = (await response.json()) as { error?: string; username?: string }
  return `${response.status} ${body.error ?? body.username}`
}

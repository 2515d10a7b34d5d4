import { after } from 'node:test'
import type { Gateway, GatewayOptions } from '../support/gateway.ts'
import { type OidcProvider, type OidcProviderOptions, startOidcProvider } from '../support/oidc/provider.ts'
import type { Fixture } from './fixture.ts'

/** A provider for the tests of one file; it ends after the last test. */
export async function createProviderFor(options: OidcProviderOptions = {}): Promise<OidcProvider> {
  const provider = await startOidcProvider(options)
  after(() => provider.stop())
  return provider
}

/** A gateway that takes the provider’s tokens. */
export function startTokens(
  { start }: Fixture,
  { issuer, clientId, clientSecret }: OidcProvider,
  { flags = {}, env = {} }: GatewayOptions = {},
): Promise<Gateway> {
  const provider = 'auth_providers' in flags ? {} : { auth_provider: 'oidc' }
  return start({
    flags: { ...provider, 'oidc.issuer': issuer, 'oidc.client_id': clientId, 'oidc.login': 'false', ...flags },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: clientSecret, ...env },
  })
}

/** A forward-auth question with a token, as a machine would put it. */
export function bearer(url: string, token: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { Authorization: `Bearer ${token}`, ...headers } })
}

/** Status, and the name of the user or of the error. */
export async function verdictOf(response: Response): Promise<string> {
  const body = (await response.json()) as { error?: string; username?: string }
  return `${response.status} ${body.error ?? body.username}`
}

import type { Configuration } from 'openid-client'

/** Where a provider ends its own session (OpenID Connect RP-Initiated Logout 1.0, 2); undefined where it cannot. */
export function endSessionUrl(
  config: Configuration,
  { idToken, returnTo }: Readonly<{ idToken?: string | undefined; returnTo?: string | undefined }>,
): URL | undefined {
  const address = config.serverMetadata().end_session_endpoint
  if (address === undefined) return undefined
  const url = new URL(address)
  url.searchParams.set('client_id', config.clientMetadata().client_id)
  // Beyond what servers take as an address the hint is left out; the provider then asks.
  if (idToken !== undefined && idToken.length <= 4096) url.searchParams.set('id_token_hint', idToken)
  if (returnTo !== undefined) url.searchParams.set('post_logout_redirect_uri', returnTo)
  return url
}

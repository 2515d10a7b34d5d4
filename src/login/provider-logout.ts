import { type Configuration, tokenRevocation } from 'openid-client'

export type ProviderLogoutOptions = Readonly<{
  configuration: () => Promise<Configuration>
  /** The URL to which the provider redirects after its logout; must be registered at the provider. */
  postLogoutRedirectUrl: string | undefined
}>

export type ProviderLogout = Readonly<{
  /**
   * The provider's URL for ending its own session (OpenID Connect RP-Initiated Logout 1.0, section 2). Undefined if the
   * provider has no such URL or is unavailable; the user is still signed out of elastauth.
   */
  endSessionUrl: (idToken: string | undefined) => Promise<URL | undefined>
  /** Revokes the refresh token if the provider supports it (RFC 7009), so that a stolen token does not outlive the session. */
  revokeToken: (refreshToken: string) => Promise<void>
}>

/** A longer ID token is omitted, because servers reject URLs that are too long. */
const maxIdTokenHintLength = 4096

export function createProviderLogout({ configuration, postLogoutRedirectUrl }: ProviderLogoutOptions): ProviderLogout {
  return Object.freeze({
    async endSessionUrl(idToken: string | undefined) {
      const config = await configuration().catch(() => undefined)
      const endpoint = config?.serverMetadata().end_session_endpoint
      if (config === undefined || endpoint === undefined) return undefined
      const url = new URL(endpoint)
      url.searchParams.set('client_id', config.clientMetadata().client_id)
      // Without the hint, the provider asks the user to confirm.
      if (idToken !== undefined && idToken.length <= maxIdTokenHintLength)
        url.searchParams.set('id_token_hint', idToken)
      if (postLogoutRedirectUrl !== undefined) url.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUrl)
      return url
    },
    async revokeToken(refreshToken: string) {
      const config = await configuration().catch(() => undefined)
      if (config?.serverMetadata().revocation_endpoint === undefined) return
      await tokenRevocation(config, refreshToken).catch(() => {})
    },
  })
}

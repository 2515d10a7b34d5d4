import type { AdapterPayload } from 'oidc-provider'

type Client = AdapterPayload & { redirect_uris: readonly string[]; post_logout_redirect_uris: readonly string[] }

/** The secret has characters that must be form-encoded before they are Basic-encoded (RFC 6749, section 2.3.1). */
export const credentials = { clientId: 'kibana', clientSecret: 'a secret of the tests & its 100% + odd characters' }

/** The only client of the provider. @param metadata overrides metadata of its registration */
export function createClients(redirectUri: string, metadata: Readonly<Record<string, unknown>> = {}) {
  const { clientId, clientSecret } = credentials
  let client: Client = {
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    backchannel_logout_session_required: true,
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [],
    ...metadata,
  }

  return Object.freeze({
    find: (id: string) => (id === clientId ? client : undefined),
    register(origin: string) {
      const { redirect_uris, post_logout_redirect_uris } = client
      client = {
        backchannel_logout_uri: `${origin}/elastauth/backchannel-logout`,
        ...client,
        redirect_uris: [...redirect_uris, `${origin}/elastauth/callback`],
        post_logout_redirect_uris: [...post_logout_redirect_uris, `${origin}/elastauth/signed-out`, `${origin}/`],
      }
    },
  })
}

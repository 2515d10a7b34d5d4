import { randomBytes } from 'node:crypto'
import {
  buildAuthorizationUrl,
  type Configuration,
  type CustomFetch,
  genericGrantRequest,
  ResponseBodyError,
} from 'openid-client'
import { GatewayError } from '../../http/errors.ts'
import { asProviderError, statusOf } from './provider-error.ts'

export type CheckClientOptions = Readonly<{
  configuration: Configuration
  fetch: CustomFetch
  scopes: readonly string[]
  /** Additional parameters of the authorization request. */
  extraParameters: Readonly<Record<string, string>>
  /** The registered redirect URI. Without one, the provider cannot be asked whether it accepts the scopes. */
  redirectUri: string | undefined
}>

/**
 * Tries the client at the provider as a sign-in would, but without a user: with a code that the provider has never issued,
 * and with `prompt=none`. Rejects with GatewayError provider_unavailable, which names the keys to change.
 */
export async function checkClient(options: CheckClientOptions): Promise<void> {
  await checkCredentials(options)
  if (options.redirectUri !== undefined) await checkScopes(options, options.redirectUri)
}

/** The provider authenticates the client before it looks at the code (RFC 6749, section 5.2). */
async function checkCredentials({
  configuration,
  redirectUri = 'https://localhost/',
}: CheckClientOptions): Promise<void> {
  const random = () => randomBytes(32).toString('base64url')
  try {
    const parameters = { code: random(), redirect_uri: redirectUri, code_verifier: random() }
    await genericGrantRequest(configuration, 'authorization_code', parameters)
  } catch (thrown) {
    const code = thrown instanceof ResponseBodyError ? thrown.error : undefined
    if (code === 'invalid_grant' || code === 'invalid_request') return
    if (code === 'invalid_client' || code === 'unauthorized_client' || statusOf(thrown) === 401)
      throw rejected(
        `the token endpoint rejected the client (${code ?? 'status 401'}): correct oidc.client_id, oidc.client_secret or oidc.client_auth_method`,
      )
    throw asProviderError(thrown, 'token endpoint')
  }
}

async function checkScopes(
  { configuration, fetch, scopes, extraParameters }: CheckClientOptions,
  redirectUri: string,
): Promise<void> {
  if (configuration.serverMetadata().require_pushed_authorization_requests === true) return
  const challenge = randomBytes(32).toString('base64url')
  const url = buildAuthorizationUrl(configuration, {
    ...extraParameters,
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    response_type: 'code',
    prompt: 'none',
    state: challenge,
    nonce: challenge,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  const { status, headers } = await fetch(url.href, { method: 'GET', headers: {}, body: null, redirect: 'manual' })
  const location = URL.parse(headers.get('location') ?? '', url)
  const error = location?.searchParams.get('error')
  if (error === 'invalid_scope') throw rejected(`it refuses the scopes ${scopes.join(' ')}: correct oidc.scopes`)
  if (error === 'unauthorized_client')
    throw rejected('it does not allow this client to sign users in: correct oidc.client_id')
  if (status >= 400 && status < 500)
    throw rejected(
      `the authorization endpoint responded ${status}: register ${redirectUri} as redirect URI there, or correct oidc.redirect_url or oidc.client_id`,
    )
}

function rejected(detail: string): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider: ${detail}`)
}

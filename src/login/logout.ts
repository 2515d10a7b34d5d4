import { type Configuration, tokenRevocation } from 'openid-client'
import { requestSite } from '../auth/csrf.ts'
import { originOfUrl } from '../auth/own-origin.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { clearCookie, sessionCookie } from './cookies.ts'
import type { LoginRequest } from './login-request.ts'
import { isNavigation } from './navigation.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { sessionIdsOf } from './session-cookie.ts'

export type LogoutOptions = Readonly<{
  sessions: Pick<Sessions, 'read' | 'revoke'>
  configuration: () => Promise<Configuration>
  originOf: OriginOf
  /** The URL to which the provider redirects after its logout; must be registered at the provider. */
  postLogoutRedirectUrl: string | undefined
  pages: LogoutPages
  /** Called for each session that the request ends. */
  onSignedOut: (session: Session, context: RequestContext) => void
}>

export type LogoutPages = Readonly<{
  /** Asks the user to confirm the logout. @param endSession where the response to the form may redirect */
  confirm: (endSession: URL | undefined) => GatewayResponse
  signedOut: (headers: readonly string[]) => GatewayResponse
}>

export type LogoutEndpoint = (logout: LoginRequest) => Promise<GatewayResponse>

/** A longer ID token is omitted, because servers reject URLs that are too long. */
const maxIdTokenHintLength = 4096

/**
 * `/elastauth/logout`: ends the session in elastauth, then at the provider (OpenID Connect RP-Initiated Logout 1.0). To prevent
 * logout CSRF, a link from another site leads to a confirmation, and a form from another site is rejected with GatewayError
 * cross_site.
 */
export function createLogoutEndpoint(options: LogoutOptions): LogoutEndpoint {
  const { originOf, pages } = options
  return async function handleLogout({ context, method }) {
    const { request } = context
    const isSameOrigin = requestSite(request.headers, originOfUrl(originOf(context))) === 'same-origin'
    if (method === 'POST') {
      if (!isSameOrigin) throw new GatewayError('cross_site', 'a logout from a page of another site')
    } else if (method !== 'GET' || !isSameOrigin || !isNavigation(method, request.headers)) {
      return pages.confirm(await endSessionUrl(options, undefined))
    }
    return signOut(options, context)
  }
}

async function signOut(options: LogoutOptions, context: RequestContext): Promise<GatewayResponse> {
  const { pages, onSignedOut } = options
  const ids = sessionIdsOf(context.request)
  if (ids.length === 0) return pages.signedOut([])
  const ended = await Promise.all(ids.map((id) => endSession(options, id)))
  for (const session of ended) if (session !== undefined) onSignedOut(session, context)
  const cookies = [clearCookie(sessionCookie)]
  const url = await endSessionUrl(options, ended.find((session) => session?.idToken !== undefined)?.idToken)
  return url ? redirect(303, url.href, cookies) : pages.signedOut(cookies.flatMap((cookie) => ['Set-Cookie', cookie]))
}

async function endSession(options: LogoutOptions, id: string): Promise<Session | undefined> {
  const { sessions } = options
  const session = await sessions.read(id).catch(() => undefined)
  await sessions.revoke(id)
  if (session?.refreshToken !== undefined) void revokeToken(options, session.refreshToken)
  return session
}

/** Revokes the refresh token if the provider supports it (RFC 7009), so that a stolen token does not outlive the session. */
async function revokeToken({ configuration }: LogoutOptions, refreshToken: string): Promise<void> {
  const config = await configuration().catch(() => undefined)
  if (config?.serverMetadata().revocation_endpoint === undefined) return
  await tokenRevocation(config, refreshToken).catch(() => {})
}

/**
 * The provider's URL for ending its own session (section 2). Undefined if the provider has no such URL or is unavailable; the
 * user is still signed out of elastauth.
 */
async function endSessionUrl(
  { configuration, postLogoutRedirectUrl }: LogoutOptions,
  idToken: string | undefined,
): Promise<URL | undefined> {
  const config = await configuration().catch(() => undefined)
  const endpoint = config?.serverMetadata().end_session_endpoint
  if (config === undefined || endpoint === undefined) return undefined
  const url = new URL(endpoint)
  url.searchParams.set('client_id', config.clientMetadata().client_id)
  // Without the hint, the provider asks the user to confirm.
  if (idToken !== undefined && idToken.length <= maxIdTokenHintLength) url.searchParams.set('id_token_hint', idToken)
  if (postLogoutRedirectUrl !== undefined) url.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUrl)
  return url
}

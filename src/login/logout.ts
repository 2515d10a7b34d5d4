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
import type { ProviderLogout } from './provider-logout.ts'
import { redirect } from './redirect.ts'
import { sessionIdsOf } from './session-cookie.ts'

export type LogoutOptions = Readonly<{
  sessions: Pick<Sessions, 'read' | 'revoke'>
  /** Undefined if users do not sign in at a provider. */
  provider: ProviderLogout | undefined
  /** Whether the user of a session signed in at elastauth itself, and has no session at the provider. */
  isLocal: (session: Session) => boolean
  originOf: OriginOf
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

/**
 * `/elastauth/logout`: ends the session in elastauth, then at the provider (OpenID Connect RP-Initiated Logout 1.0). To prevent
 * logout CSRF, a link from another site leads to a confirmation, and a form from another site is rejected with GatewayError
 * cross_site.
 */
export function createLogoutEndpoint(options: LogoutOptions): LogoutEndpoint {
  const { originOf, pages, provider } = options
  return async function handleLogout({ context, method }) {
    const { request } = context
    const isSameOrigin = requestSite(request.headers, originOfUrl(originOf(context))) === 'same-origin'
    if (method === 'POST') {
      if (!isSameOrigin) throw new GatewayError('cross_site', 'a logout from a page of another site')
    } else if (method !== 'GET' || !isSameOrigin || !isNavigation(method, request.headers)) {
      return pages.confirm(await provider?.endSessionUrl(undefined))
    }
    return signOut(options, context)
  }
}

async function signOut(options: LogoutOptions, context: RequestContext): Promise<GatewayResponse> {
  const { pages, onSignedOut, provider, isLocal } = options
  const ids = sessionIdsOf(context.request)
  if (ids.length === 0) return pages.signedOut([])
  const ended = await Promise.all(ids.map((id) => endSession(options, id)))
  for (const session of ended) if (session !== undefined) onSignedOut(session, context)
  const cookies = [clearCookie(sessionCookie)]
  const isAtProvider = ended.some((session) => session === undefined || !isLocal(session))
  const idToken = ended.find((session) => session?.idToken !== undefined)?.idToken
  const url = isAtProvider ? await provider?.endSessionUrl(idToken) : undefined
  return url ? redirect(303, url.href, cookies) : pages.signedOut(cookies.flatMap((cookie) => ['Set-Cookie', cookie]))
}

async function endSession({ sessions, provider }: LogoutOptions, id: string): Promise<Session | undefined> {
  const session = await sessions.read(id).catch(() => undefined)
  await sessions.revoke(id)
  if (session?.refreshToken !== undefined) void provider?.revokeToken(session.refreshToken)
  return session
}

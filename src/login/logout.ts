import type { IncomingMessage } from 'node:http'
import { type Configuration, tokenRevocation } from 'openid-client'
import { requestSite } from '../auth/csrf.ts'
import { originOfUrl } from '../auth/own-origin.ts'
import { GatewayError } from '../http/errors.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { clearCookie, sessionCookie } from './cookies.ts'
import { endSessionUrl } from './end-session.ts'
import type { LoginRequest } from './login-request.ts'
import { isNavigation } from './navigation.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { sessionIdsOf } from './session-of.ts'

export type LogoutOptions = Readonly<{
  sessions: Pick<Sessions, 'read' | 'end'>
  configuration: () => Promise<Configuration>
  originOf: OriginOf
  /** Where the provider sends people after its own logout, as registered there. */
  postLogoutRedirectUrl: string | undefined
  pages: LogoutEndpoints
}>

export type LogoutEndpoints = Readonly<{
  /** Asks whether a logout is meant. @param endSession where the form's answer may lead */
  confirm: (endSession: URL | undefined) => GatewayResponse
  signedOut: (headers: readonly string[]) => GatewayResponse
}>

export type LogoutPage = (asked: LoginRequest) => Promise<GatewayResponse>

/**
 * `/elastauth/logout`: ends the session here, then at the provider (RP-initiated logout). Whoever comes by a link from
 * elsewhere is asked first, and a form from elsewhere is refused: GatewayError cross_site.
 */
export function createLogoutEndpoint({
  sessions,
  configuration,
  originOf,
  postLogoutRedirectUrl,
  pages,
}: LogoutOptions): LogoutPage {
  return async function logoutPage({ request, method }) {
    const isOurs = requestSite(request.headers, originOfUrl(originOf(request))) === 'same-origin'
    if (method === 'POST') {
      if (!isOurs) throw new GatewayError('cross_site', 'a logout that does not come from one of our own pages')
    } else if (method !== 'GET' || !isOurs || !isNavigation(method, request.headers)) {
      return pages.confirm(await endSession(undefined))
    }
    return signOut(request)
  }

  async function signOut(request: IncomingMessage): Promise<GatewayResponse> {
    const ids = sessionIdsOf(request)
    if (ids.length === 0) return pages.signedOut([])
    const ended = await Promise.all(ids.map(end))
    const cookies = [clearCookie(sessionCookie)]
    const url = await endSession(ended.find((session) => session?.idToken !== undefined)?.idToken)
    return url ? redirect(303, url.href, cookies) : pages.signedOut(cookies.flatMap((cookie) => ['Set-Cookie', cookie]))
  }

  async function end(id: string): Promise<Session | undefined> {
    const session = await sessions.read(id).catch(() => undefined)
    await sessions.end(id)
    if (session?.refreshToken !== undefined) void revoke(session.refreshToken)
    return session
  }

  /** As far as the provider can (RFC 7009): whoever has stolen it shall have nothing of it. */
  async function revoke(refreshToken: string): Promise<void> {
    const config = await configuration().catch(() => undefined)
    if (config?.serverMetadata().revocation_endpoint === undefined) return
    await tokenRevocation(config, refreshToken).catch(() => {})
  }

  /** Undefined, too, while nothing is known of the provider: people can be signed out here all the same. */
  async function endSession(idToken: string | undefined): Promise<URL | undefined> {
    const config = await configuration().catch(() => undefined)
    return config && endSessionUrl(config, { idToken, returnTo: postLogoutRedirectUrl })
  }
}

import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { GatewayResponse } from '../http/response.ts'
import { queryOf } from '../http/target.ts'
import type { Login, Sessions } from '../sessions/sessions.ts'
import { type BeginLogin, callbackPath } from './begin.ts'
import { browserOf } from './browser.ts'
import { clearCookie, sessionCookie, setCookie } from './cookies.ts'
import type { Grants } from './grants.ts'
import type { LoginRequest } from './login-request.ts'
import type { LoginStates } from './login-state.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { sessionIdOf, sessionIdsOf } from './session-cookie.ts'

export type CallbackOptions = Readonly<{
  loginStates: LoginStates
  grants: Grants
  sessions: Pick<Sessions, 'find' | 'create' | 'revoke'>
  originOf: OriginOf
  beginLogin: BeginLogin
  /**
   * Called when the login began at another replica; undefined if replicas share sessions. Otherwise the next request may go
   * to the other replica, which does not know the session and begins another login, until the browser gives up.
   */
  onOtherReplica: (() => void) | undefined
  /** Logs the sign-in. Returns the username, as it may be logged: the user has not been checked yet. */
  onSignedIn: (login: Login, context: RequestContext) => string
}>

/**
 * `/elastauth/callback`: the provider redirects the user back. Always creates a session with a new id and revokes the former
 * session, to prevent session fixation. Rejects with GatewayError login_failed, login_denied, identity_invalid,
 * provider_unavailable, sessions_unavailable.
 */
export function createCallbackEndpoint(options: CallbackOptions) {
  const { loginStates, grants, sessions, originOf, beginLogin, onOtherReplica, onSignedIn } = options
  return async function handleCallback(login: LoginRequest): Promise<GatewayResponse> {
    const { context, target } = login
    const { request } = context
    const callback = new URL(originOf(context) + callbackPath)
    callback.search = `?${queryOf(target)}`
    const states = callback.searchParams.getAll('state')
    const state = states.length === 1 ? states[0]! : null
    const { cookie, returnTo, canRetry, isFromOtherReplica } = loginStates.read(state, request.headers.cookie)
    if (isFromOtherReplica) onOtherReplica?.()
    const formerId = sessionIdOf(request)
    const loginState = loginStates.consume(state!, request.headers.cookie)
    if (loginState === undefined) {
      // Login CSRF, or a tab whose login cookie another tab has overwritten. If the other tab has signed in, no new login is
      // needed.
      if (formerId !== undefined && (await usernameOf(sessions, formerId)) !== undefined)
        return redirect(303, returnTo, [])
      // The user already has a session at the provider, so the retry needs no input. A victim of login CSRF signs in with their
      // own account.
      if (canRetry) return beginLogin(login, returnTo, true)
      throw unboundLogin(isFromOtherReplica)
    }
    const granted = await grants.exchangeCode(callback, loginState)
    const id = await sessions.create({ ...granted, browser: browserOf(request.headers['user-agent']) })
    const username = onSignedIn(granted, context)
    for (const former of sessionIdsOf(request)) await sessions.revoke(former)
    return {
      ...redirect(303, returnTo, [setCookie(sessionCookie, id), clearCookie(cookie)]),
      username,
    }
  }
}

function unboundLogin(isFromOtherReplica: boolean): GatewayError {
  const hint = isFromOtherReplica ? '; it began at another replica' : ''
  return new GatewayError('login_failed', `the login began in another browser, or its cookie is missing${hint}`)
}

async function usernameOf(sessions: Pick<Sessions, 'find'>, id: string): Promise<string | undefined> {
  try {
    return (await sessions.find(id))?.username
  } catch {
    return undefined
  }
}

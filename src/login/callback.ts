import { GatewayError } from '../http/errors.ts'
import type { GatewayResponse } from '../http/response.ts'
import { queryOf } from '../http/target.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { type BeginLogin, callbackPath } from './begin.ts'
import { clearCookie, sessionCookie, setCookie } from './cookies.ts'
import type { Grants } from './grants.ts'
import type { LoginRequest } from './login-request.ts'
import type { LoginStates } from './login-state.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { sessionIdOf, sessionIdsOf } from './session-of.ts'

export type CallbackOptions = Readonly<{
  attempts: LoginStates
  grants: Grants
  sessions: Pick<Sessions, 'find' | 'open' | 'end'>
  originOf: OriginOf
  beginLogin: BeginLogin
}>

/**
 * `/elastauth/callback`: the provider sends a person back. A new session under a new id, whatever came before it.
 * Rejects with GatewayError login_failed, login_denied, identity_invalid, provider_unavailable, sessions_unavailable.
 */
export function createCallbackEndpoint({ attempts, grants, sessions, originOf, beginLogin }: CallbackOptions) {
  return async function callbackPage(asked: LoginRequest): Promise<GatewayResponse> {
    const { request, target } = asked
    const callback = new URL(originOf(request) + callbackPath)
    callback.search = `?${queryOf(target)}`
    const states = callback.searchParams.getAll('state')
    const state = states.length === 1 ? states[0]! : null
    const { cookie, returnTo, mayBeOvertaken } = attempts.read(state, request.headers.cookie)
    const former = sessionIdOf(request)
    const attempt = attempts.resume(state!, request.headers.cookie)
    if (attempt === undefined) {
      // Of many tabs that began at the same time another was quicker: who is logged in need not hear of it.
      if (former !== undefined && (await userOf(former)) !== undefined) return redirect(303, returnTo, [])
      // The provider knows the person by now, and asks nothing. Whoever was led here by a stranger logs in as themselves.
      if (mayBeOvertaken) return beginLogin(asked, returnTo, true)
      throw new GatewayError('login_failed', 'the login was begun in another browser, or its cookie is gone')
    }
    const id = await sessions.open(await grants.redeemCode(callback, attempt))
    for (const each of sessionIdsOf(request)) await sessions.end(each)
    return {
      ...redirect(303, returnTo, [setCookie(sessionCookie, id), clearCookie(cookie)]),
      username: await userOf(id),
    }
  }

  async function userOf(id: string): Promise<string | undefined> {
    try {
      return (await sessions.find(id))?.username
    } catch {
      return undefined
    }
  }
}

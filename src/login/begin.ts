import type { GatewayResponse } from '../http/response.ts'
import { queryOf } from '../http/target.ts'
import { setCookie } from './cookies.ts'
import type { Grants } from './grants.ts'
import type { LoginRequest } from './login-request.ts'
import { type LoginStates, loginTtlMs } from './login-state.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { safeReturnTo } from './return-to.ts'

export type BeginLoginOptions = Readonly<{
  loginStates: LoginStates
  grants: Grants
  originOf: OriginOf
  /** 401 for nginx, which does not forward a redirect of a sub-request, but can read the `Location` of a 401. */
  subRequestStatus: 302 | 401
}>

export const loginPath = '/elastauth/login'
/** The path of the redirect URI. */
export const callbackPath = '/elastauth/callback'

/**
 * Redirects a user to the provider, and to `returnTo` after the sign-in. `isRetry`: the login replaces another login whose
 * cookie was overwritten. Rejects with GatewayError login_insecure, provider_unavailable.
 */
export type BeginLogin = (login: LoginRequest, returnTo: string, isRetry?: boolean) => Promise<GatewayResponse>

export function createBeginLogin(options: BeginLoginOptions): BeginLogin {
  const { loginStates, grants, originOf, subRequestStatus } = options
  return async function beginLogin({ context, isSubRequest }, returnTo, isRetry = false) {
    const origin = originOf(context)
    const { cookie, binding, ...state } = loginStates.start(
      context.request.headers.cookie,
      safeReturnTo(returnTo),
      isRetry,
    )
    const url = await grants.authorizationUrl(origin + callbackPath, state)
    return redirect(isSubRequest ? subRequestStatus : 302, url.href, [setCookie(cookie, binding, loginTtlMs / 1000)])
  }
}

/** `/elastauth/login?return_to=/path` */
export function createLoginEndpoint(beginLogin: BeginLogin) {
  return function handleLogin(login: LoginRequest): Promise<GatewayResponse> {
    const query = new URLSearchParams(queryOf(login.target))
    return beginLogin(login, query.get('return_to') ?? '/')
  }
}

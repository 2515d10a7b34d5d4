import type { GatewayResponse } from '../http/response.ts'
import { queryOf } from '../http/target.ts'
import { setCookie } from './cookies.ts'
import type { Grants } from './grants.ts'
import type { LoginRequest } from './login-request.ts'
import { type LoginStates, maxLoginMs } from './login-state.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { safeReturnTo } from './return-to.ts'

export type BeginOptions = Readonly<{
  attempts: LoginStates
  grants: Grants
  originOf: OriginOf
  /** nginx passes on no redirect of a sub-request, but hands the address of a 401 to whoever asks for it. */
  subRequestStatus: 302 | 401
}>

/** Where the provider sends people back to. */
export const callbackPath = '/elastauth/callback'

/** Sends a person to the provider, to be brought back to `returnTo`. Rejects with GatewayError login_insecure, provider_unavailable. */
export type BeginLogin = (asked: LoginRequest, returnTo: string, isSecond?: boolean) => Promise<GatewayResponse>

export function createBeginLogin({ attempts, grants, originOf, subRequestStatus }: BeginOptions): BeginLogin {
  return async function beginLogin({ request, isSubRequest }, returnTo, isSecond = false) {
    const origin = originOf(request)
    const { cookie, binding, ...attempt } = attempts.begin(request.headers.cookie, safeReturnTo(returnTo), isSecond)
    const url = await grants.authorizationUrl(origin + callbackPath, attempt)
    return redirect(isSubRequest ? subRequestStatus : 302, url.href, [setCookie(cookie, binding, maxLoginMs / 1000)])
  }
}

/** `/elastauth/login?return_to=/path` */
export function createLoginEndpoint(beginLogin: BeginLogin) {
  return function loginPage(asked: LoginRequest): Promise<GatewayResponse> {
    const query = new URLSearchParams(queryOf(asked.target))
    return beginLogin(asked, query.get('return_to') ?? '/')
  }
}

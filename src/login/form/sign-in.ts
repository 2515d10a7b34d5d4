import { requestSite } from '../../auth/csrf.ts'
import { originOfUrl } from '../../auth/own-origin.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { GatewayResponse } from '../../http/response.ts'
import { queryOf } from '../../http/target.ts'
import type { Login, Sessions } from '../../sessions/sessions.ts'
import { type BeginLogin, loginPath } from '../begin.ts'
import { browserOf } from '../browser.ts'
import { clearCookie, sessionCookie, setCookie } from '../cookies.ts'
import { readForm } from '../form-body.ts'
import type { LoginRequest } from '../login-request.ts'
import { type LoginStates, loginTtlMs } from '../login-state.ts'
import type { OriginOf } from '../origin.ts'
import { redirect } from '../redirect.ts'
import { safeReturnTo } from '../return-to.ts'
import { sessionIdsOf } from '../session-cookie.ts'
import { clearNotice, type Notice, type Notices } from './notice.ts'
import { toLogin } from './user-session.ts'
import type { FormUser, FormUsers } from './users.ts'

export type SignInFormOptions = Readonly<{
  users: FormUsers
  loginStates: LoginStates
  notices: Notices
  sessions: Pick<Sessions, 'create' | 'revoke'>
  originOf: OriginOf
  /** Redirects to the provider, for users who choose it; undefined if there is no provider. */
  beginAtProvider: BeginLogin | undefined
  page: SignInPage
  /** See `CallbackOptions`. */
  onOtherReplica: (() => void) | undefined
  /** Logs the sign-in. Returns the username, as it may be logged: the user's roles have not been checked yet. */
  onSignedIn: (login: Login, context: RequestContext) => string
  /** @param username undefined if the user does not exist */
  onRejected: (username: string | undefined, context: RequestContext) => void
  now: () => number
}>

/** @property state for the hidden field @property providerPath where the sign-in at the provider begins, if there is one */
export type SignInPage = (
  content: Readonly<{ state: string; notice: Notice | undefined; providerPath: string | undefined }>,
  headers: readonly string[],
) => GatewayResponse

/** A long name and a long password fit, and a megabyte is rejected. */
const maxFormBytes = 16 * 1024

/**
 * `/elastauth/login`: a form for username and password. Its `state` is that of a sign-in at a provider, so it binds the form
 * to the browser (login CSRF) and contains the path to return to. Always creates a session with a new id and revokes the
 * former session, to prevent session fixation. Rejects with GatewayError login_failed, login_insecure, cross_site,
 * payload_too_large, too_many_attempts, overloaded, sessions_unavailable.
 */
export function createSignInForm(options: SignInFormOptions) {
  const { beginAtProvider } = options
  return async function handleSignIn(login: LoginRequest): Promise<GatewayResponse> {
    if (login.isSubRequest) throw new GatewayError('login_failed', subRequestDetail)
    if (login.method === 'POST') return submit(options, login)
    const query = new URLSearchParams(queryOf(login.target))
    const returnTo = safeReturnTo(query.get('return_to'))
    if (beginAtProvider !== undefined && query.get('with') === 'provider') return beginAtProvider(login, returnTo)
    return showForm(options, login, returnTo)
  }
}

/** Redirects a user to the form, and to `returnTo` after the sign-in. Rejects with GatewayError login_insecure. */
export function createBeginWithForm(originOf: OriginOf, subRequestStatus: 302 | 401): BeginLogin {
  return async ({ context, isSubRequest }, returnTo) => {
    const path = formPath({}, safeReturnTo(returnTo))
    return redirect(isSubRequest ? subRequestStatus : 302, originOf(context) + path, [])
  }
}

const subRequestDetail =
  'a sub-request has no body, so it cannot bring the form of the sign-in: let the proxy route /elastauth/login to elastauth without a sub-request'

function showForm(options: SignInFormOptions, { context }: LoginRequest, returnTo: string): GatewayResponse {
  const { loginStates, notices, originOf, beginAtProvider, page } = options
  originOf(context) // throws if the browser would not store the cookies
  const { cookie: cookies } = context.request.headers
  const notice = notices.read(cookies)
  const { state, cookie, binding } = loginStates.start(cookies, returnTo)
  const providerPath = beginAtProvider && formPath({ with: 'provider' }, returnTo)
  const set = [setCookie(cookie, binding, loginTtlMs / 1000), ...(notice === undefined ? [] : [clearNotice])]
  return page(
    { state, notice, providerPath },
    set.flatMap((line) => ['Set-Cookie', line]),
  )
}

async function submit(options: SignInFormOptions, { context }: LoginRequest): Promise<GatewayResponse> {
  const { users, sessions, notices, originOf, onSignedIn, onRejected, now } = options
  const { request } = context
  if (requestSite(request.headers, originOfUrl(originOf(context))) !== 'same-origin')
    throw new GatewayError('cross_site', 'a sign-in form on a page of another site')
  const form = await readForm(request, {
    maxBytes: maxFormBytes,
    invalid: 'login_failed',
    tooLarge: 'payload_too_large',
  })
  const username = onlyValue(form, 'username')
  const password = onlyValue(form, 'password')
  const { returnTo, cookie } = readState(options, onlyValue(form, 'state'), context)
  const clearLogin = cookie === undefined ? [] : [clearCookie(cookie)]
  const showAgain = (reason: Notice['reason']) =>
    redirect(303, formPath({}, returnTo), [...clearLogin, notices.create({ reason, username })])
  if (cookie === undefined) return showAgain('expired')
  const user = await verify(users, username, password, context)
  if (user === undefined) {
    // A password that was typed into the wrong field must not be logged.
    onRejected(users.find(username) && username, context)
    return showAgain('rejected')
  }
  const login = toLogin(user, now())
  const id = await sessions.create({ ...login, browser: browserOf(request.headers['user-agent']) })
  const loggedName = onSignedIn(login, context)
  for (const former of sessionIdsOf(request)) await sessions.revoke(former)
  return { ...redirect(303, returnTo, [setCookie(sessionCookie, id), ...clearLogin]), username: loggedName }
}

async function verify(
  { verifyPassword }: FormUsers,
  username: string,
  password: string,
  context: RequestContext,
): Promise<FormUser | undefined> {
  try {
    return await verifyPassword(username, password, context)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'credential_invalid') return undefined
    throw error
  }
}

/** @returns no cookie if the page is too old, was submitted before, or was opened in another browser (login CSRF) */
function readState(
  { loginStates, onOtherReplica }: SignInFormOptions,
  state: string,
  { request }: RequestContext,
): Readonly<{ returnTo: string; cookie?: string }> {
  let returnTo = '/'
  try {
    const read = loginStates.read(state)
    returnTo = read.returnTo
    if (read.isFromOtherReplica) onOtherReplica?.()
    return loginStates.consume(state, request.headers.cookie) ? { returnTo, cookie: read.cookie } : { returnTo }
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'login_failed') return { returnTo }
    throw error
  }
}

function onlyValue(form: URLSearchParams, name: string): string {
  const values = form.getAll(name)
  if (values.length !== 1) throw new GatewayError('login_failed', `the form must have exactly one field ${name}`)
  return values[0]!
}

/** The path of the form, or with `with: provider` the path where the sign-in at the provider begins. */
function formPath(query: Readonly<Record<string, string>>, returnTo: string): string {
  const text = new URLSearchParams({ ...query, ...(returnTo !== '/' && { return_to: returnTo }) }).toString()
  return text === '' ? loginPath : `${loginPath}?${text}`
}

import type { MaybePromise } from '../async/maybe-promise.ts'
import type { UserDescription } from '../auth/authenticate.ts'
import { requestSite } from '../auth/csrf.ts'
import type { Identity } from '../auth/identity.ts'
import { originOfUrl } from '../auth/own-origin.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { GatewayResponse } from '../http/response.ts'
import { keyOf } from '../sessions/session-id.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UserSession } from '../sessions/user-sessions.ts'
import { clearCookie, sessionCookie } from './cookies.ts'
import { readForm } from './form-body.ts'
import type { OriginOf } from './origin.ts'
import { redirect } from './redirect.ts'
import { sessionIdOf, sessionIdsOf } from './session-cookie.ts'

export type AccountOptions = Readonly<{
  describeUser: (context: RequestContext) => Promise<UserDescription>
  findSession: (request: RequestContext['request']) => MaybePromise<Identity | undefined>
  /** Rejects with GatewayError for a request whose session is from before a revocation of its user. */
  rejectRevoked: (context: RequestContext) => Promise<void>
  sessions: Pick<Sessions, 'ofUser' | 'revoke'>
  originOf: OriginOf
  page: (account: Account) => GatewayResponse
  /** Called if the user has ended sessions. */
  onEnded: (count: number, username: string, context: RequestContext) => void
}>

/** @property sessions undefined if the request has no session of elastauth @property currentId the id of the request's session */
export type Account = UserDescription &
  Readonly<{ sessions: readonly UserSession[] | undefined; currentId: string | undefined }>

export const accountPath = '/elastauth/account'

/** A form with one id of 43 characters. */
const maxFormBytes = 1024

/**
 * `/elastauth/account`: users see who they are, and the sessions of their username, and end them. Only a session lists and ends
 * sessions: the holder of a user's API key or token is not that person. Rejects with GatewayError cross_site, not_permitted,
 * payload_invalid, payload_too_large, revoked, sessions_unavailable, and those of `describeUser`.
 */
export function createAccountEndpoint(options: AccountOptions) {
  const { describeUser, rejectRevoked, sessions, originOf, page } = options
  return async function handleAccount(context: RequestContext): Promise<GatewayResponse> {
    const { request } = context
    const isPost = request.method === 'POST'
    if (isPost && requestSite(request.headers, originOfUrl(originOf(context))) !== 'same-origin')
      throw new GatewayError('cross_site', 'a form of another site would end sessions')
    const user = await describeUser(context)
    const { username } = user.identity
    const currentId = await findCurrentId(options, context, username)
    if (currentId !== undefined && user.denial === undefined) await rejectRevoked(context)
    if (isPost) return endSessions(options, context, username, currentId)
    const list = currentId === undefined ? undefined : await sessions.ofUser.list(username)
    return { ...page({ ...user, sessions: list, currentId }), username }
  }
}

/** The id in the list of the request's own session; undefined if the request's user has been identified in another way. */
async function findCurrentId(
  { findSession }: AccountOptions,
  { request }: RequestContext,
  username: string,
): Promise<string | undefined> {
  const id = sessionIdOf(request)
  if (id === undefined) return undefined
  const identity = await findSession(request)
  return identity?.username === username ? keyOf(id) : undefined
}

async function endSessions(
  { sessions, onEnded }: AccountOptions,
  context: RequestContext,
  username: string,
  currentId: string | undefined,
): Promise<GatewayResponse> {
  if (currentId === undefined)
    throw new GatewayError('not_permitted', 'only a user with a session can end sessions', { username })
  const { request } = context
  const which = await readChoice(request)
  const count = await end(sessions.ofUser, username, which, currentId)
  if (count > 0) onEnded(count, username, context)
  if (which !== 'all' && which !== currentId) return { ...redirect(303, accountPath, []), username }
  for (const id of sessionIdsOf(request)) await sessions.revoke(id)
  return { ...redirect(303, '/elastauth/signed-out', [clearCookie(sessionCookie)]), username }
}

/** @returns how many sessions have ended */
async function end(ofUser: Sessions['ofUser'], username: string, which: string, currentId: string): Promise<number> {
  if (which === 'all') return ofUser.endAll(username)
  if (which === 'others') return ofUser.endAll(username, currentId)
  return (await ofUser.end(username, which)) ? 1 : 0
}

async function readChoice(request: RequestContext['request']): Promise<string> {
  const form = await readForm(request, {
    maxBytes: maxFormBytes,
    invalid: 'payload_invalid',
    tooLarge: 'payload_too_large',
  })
  const values = form.getAll('end')
  if (values.length !== 1) throw new GatewayError('payload_invalid', 'the form must have exactly one field end')
  return values[0]!
}

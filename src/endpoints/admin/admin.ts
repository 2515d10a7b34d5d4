import { limits, usernamePattern } from '../../../config/identity-limits.ts'
import { GatewayError } from '../../http/errors.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { type GatewayResponse, jsonResponse } from '../../http/response.ts'
import { pathBeforeFragment, percentDecode } from '../../http/target.ts'
import type { UserSession, UserSessions } from '../../sessions/user-sessions.ts'

export type AdminOptions = Readonly<{
  /** Resolves to the name of the administrator. Rejects with GatewayError for everyone else. */
  authorize: (context: RequestContext) => Promise<string>
  sessions: UserSessions
  /** Called if the administrator has ended sessions. */
  onEnded: (
    count: number,
    users: Readonly<{ administrator: string; username: string }>,
    context: RequestContext,
  ) => void
}>

export const adminMethods: readonly string[] = ['GET', 'HEAD', 'DELETE']

/**
 * The API for administrators. The path is read after the authorization, so that only administrators learn what exists. Rejects with
 * GatewayError not_permitted, cross_site, not_found, method_not_allowed, sessions_unavailable.
 */
export function createAdminEndpoint({ authorize, sessions, onEnded }: AdminOptions) {
  return async function handleAdmin(context: RequestContext): Promise<GatewayResponse> {
    const administrator = await authorize(context)
    const { url = '', method = '' } = context.request
    const { username, id } = readPath(url)
    if (method !== 'DELETE') {
      if (id !== undefined) throw new GatewayError('method_not_allowed', 'only DELETE', { allow: ['DELETE'] })
      const list = await sessions.list(username)
      return jsonResponse(200, { username, sessions: list.map(toJson) }, administrator)
    }
    const ended = id === undefined ? await sessions.endAll(username) : Number(await sessions.end(username, id))
    if (ended > 0) onEnded(ended, { administrator, username }, context)
    else if (id !== undefined) throw new GatewayError('not_found', 'the user has no such session')
    return jsonResponse(200, { username, ended }, administrator)
  }
}

/**
 * `/elastauth/admin/users/{name}/sessions`, or `…/sessions/{id}`. Each segment is decoded once after the path is split, so that an
 * encoded slash stays in its segment. Throws GatewayError not_found, also for what cannot be a username.
 */
function readPath(url: string): Readonly<{ username: string; id: string | undefined }> {
  const segments = pathBeforeFragment(url).split('/', 8).map(percentDecode)
  const [, elastauth, admin, users, username = '', sessions, id] = segments
  const isKnown = elastauth === 'elastauth' && admin === 'admin' && users === 'users' && sessions === 'sessions'
  const hasId = segments.length === 7
  // An id that cannot be decoded is undefined, too, and must not mean all sessions.
  if (!isKnown || segments.length > 7 || (hasId && !id))
    throw new GatewayError('not_found', 'no such path of the admin API')
  if (username.length > limits.username || !usernamePattern.test(username))
    throw new GatewayError('not_found', 'no user can have this name')
  return { username, id }
}

function toJson({ id, signedInAt, usedAt, browser }: UserSession) {
  return { id, signed_in_at: toTime(signedInAt), last_used_at: toTime(usedAt), browser: browser ?? null }
}

function toTime(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString()
}

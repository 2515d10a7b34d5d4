import type { Authentication } from '../auth/authenticate.ts'
import { errorTable } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'
import { isHtml } from '../http/media-type.ts'
import { jsonResponse } from '../http/response.ts'
import { accountPage } from './html/account-page.ts'

/**
 * The endpoint `whoami`, a page if the client prefers HTML: the caller's identity and roles, but no credential. A user whose groups grant no access sees the
 * groups too, and why they grant none.
 */
export function createWhoamiEndpoint({ describeUser }: Pick<Authentication, 'describeUser'>): Handler {
  return async function whoami(context) {
    const { identity, roles, denial } = await describeUser(context)
    const { authenticatedAt: _, ...shown } = identity
    const denied = denial && { code: denial, message: errorTable[denial].message }
    if (isHtml(context.request.headers.accept ?? ''))
      return { ...accountPage({ identity, roles, denial: denied?.message }), username: identity.username }
    return jsonResponse(200, { ...shown, roles, denied }, identity.username)
  }
}

import type { Authenticate, AuthenticatedUser } from '../auth/authenticate.ts'
import { GatewayError } from '../http/errors.ts'
import type { RequestContext } from '../http/request-context.ts'

/**
 * The returned function resolves to the username of a user with one of the `admin_roles`. Rejects with GatewayError not_permitted for
 * any other user, cross_site for a write that another site's page sends, and those of `authenticate`.
 */
export function createAuthorizeAdmin(
  authenticate: Authenticate<Pick<AuthenticatedUser, 'identity' | 'roles'>>,
  adminRoles: readonly string[],
): (context: RequestContext) => Promise<string> {
  return async function authorizeAdmin(context) {
    const { identity, roles } = await authenticate(context)
    if (roles.some((role) => adminRoles.includes(role))) return identity.username
    throw new GatewayError('not_permitted', "none of the user's roles is in admin_roles", {
      username: identity.username,
    })
  }
}

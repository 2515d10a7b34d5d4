import type { Authentication } from '../auth/authenticate.ts'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'
import type { RequestContext } from '../http/request-context.ts'
import { jsonResponse } from '../http/response.ts'
import { createAuthorizeAdmin } from './authorize-admin.ts'
import type { IsDirectRequest } from './direct-request.ts'

export type ConfigEndpointOptions = Readonly<{
  /** The configuration with every secret masked. */
  redacted: () => unknown
  authenticate: Authentication['authenticate']
  adminRoles: readonly string[]
  isFromThisMachine: IsDirectRequest
}>

/**
 * The endpoint `config`, for requests from this machine and users with one of the `admin_roles`. Throws GatewayError
 * not_permitted for any other request.
 */
export function createConfigEndpoint({
  redacted,
  authenticate,
  adminRoles,
  isFromThisMachine,
}: ConfigEndpointOptions): Handler {
  const authorizeAdmin = createAuthorizeAdmin(authenticate, adminRoles)
  return async function config(context) {
    const username = await authorize(context)
    return jsonResponse(200, redacted(), username)
  }

  /** @returns the username, or undefined if the request is authorized because it comes from this machine */
  async function authorize(context: RequestContext): Promise<string | undefined> {
    const { request } = context
    if (isFromThisMachine(request)) return undefined
    if (adminRoles.length === 0)
      throw new GatewayError('not_permitted', 'not a direct request from loopback, and admin_roles is empty')
    return authorizeAdmin(context)
  }
}

import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'
import type { IsDirectRequest } from './direct-request.ts'

/** The endpoint `errors`, for `elastauth doctor`. Throws GatewayError not_permitted for a request from elsewhere. */
export function createErrorsEndpoint(list: () => unknown, isFromThisMachine: IsDirectRequest): Handler {
  return async function errors({ request }) {
    if (!isFromThisMachine(request)) throw new GatewayError('not_permitted', 'not a direct request from loopback')
    return jsonResponse(200, { errors: list() })
  }
}

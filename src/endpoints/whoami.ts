import type { Authentication } from '../auth/authenticate.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/** `whoami`: the caller's identity and roles, without a credential. */
export function createWhoamiEndpoint({ resolveSubject }: Authentication): Handler {
  return async function whoami(request) {
    const { identity, roles } = await resolveSubject(request)
    return jsonResponse(200, { ...identity, roles }, identity.username)
  }
}

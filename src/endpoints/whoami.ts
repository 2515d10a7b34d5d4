import type { Authentication } from '../auth/authenticate.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/** The endpoint `whoami`: the caller's identity and roles, but no credential. */
export function createWhoamiEndpoint({ resolveSubject }: Authentication): Handler {
  return async function whoami(context) {
    const { identity, roles } = await resolveSubject(context)
    return jsonResponse(200, { ...identity, roles }, identity.username)
  }
}

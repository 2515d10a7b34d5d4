import type { Authentication } from '../auth/authenticate.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/** `whoami`: who the provider says the caller is, and which roles that gives. Never the credential. */
export function createWhoamiEndpoint({ resolveSubject }: Authentication): Handler {
  return async function answerWhoami(request) {
    const { identity, roles } = await resolveSubject(request)
    return jsonResponse(200, { ...identity, roles }, identity.username)
  }
}

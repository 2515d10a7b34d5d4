import type { Authentication } from '../auth/authenticate.ts'
import type { Handler } from '../http/handler.ts'
import { jsonAnswer } from '../http/response.ts'

/** `whoami`: who the provider says the caller is, and which roles that gives. Never the credential. */
export function createWhoamiPage({ recognise }: Authentication): Handler {
  return async function answerWhoami(request) {
    const { identity, roles } = await recognise(request)
    return jsonAnswer(200, { ...identity, roles }, identity.username)
  }
}

import { jsonAnswer } from '../answer.ts'
import type { Authentication } from '../auth/authentication.ts'
import type { Handler } from '../route.ts'

/** `whoami`: who the provider says the caller is, and which roles that gives. Never the credential. */
export function createWhoamiPage({ recognise }: Authentication): Handler {
  return async function answerWhoami(request) {
    const { identity, roles } = await recognise(request)
    return jsonAnswer(200, { ...identity, roles }, identity.username)
  }
}

import { jsonAnswer } from '../answer.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Handler } from '../route.ts'

/** `whoami`: who the provider says the caller is, and which roles that gives. Never the credential. */
export function createWhoamiPage(authenticate: Authenticate): Handler {
  return async function answerWhoami(request) {
    const { identity, roles } = await authenticate(request)
    return jsonAnswer(200, { ...identity, roles }, identity.username)
  }
}

import type { Authenticate } from '../auth/authenticate.ts'
import type { Handler } from '../server.ts'
import { sendJson } from './json.ts'

/** `whoami`: who the provider says the caller is, and which roles that gives. Never the credential. */
export function createWhoamiPage(authenticate: Authenticate): Handler {
  return async function sendWhoami(request, response) {
    const { identity, roles } = await authenticate(request)
    sendJson(response, 200, { ...identity, roles })
    return { username: identity.username }
  }
}

import type { GatewayResponse } from '../http/response.ts'
import type { AuthenticatedUser } from './authenticate.ts'
import type { Identity } from './identity.ts'

/** The answer to a forward-auth sub-request: the proxy takes `Authorization` from it and throws the rest away. */
export function createAuthorizedResponse(): (authenticated: AuthenticatedUser) => GatewayResponse {
  const bodies = new WeakMap<Identity, string>()

  return function answerAuthorized({ identity, credential }) {
    let body = bodies.get(identity)
    if (body === undefined) {
      body = bodyFor(identity)
      bodies.set(identity, body)
    }
    return {
      status: 200,
      // As a flat list, which Node writes as it stands: the quickest way, and nothing can be set beside it.
      headers: [
        'Authorization',
        credential.authorization,
        'Content-Type',
        'application/json; charset=utf-8',
        'Content-Length',
        String(Buffer.byteLength(body)),
        'Cache-Control',
        'no-store',
      ],
      body,
      username: identity.username,
    }
  }
}

function bodyFor({ username, groups, email, name }: Identity): string {
  return `${JSON.stringify({ message: 'Authentication successful', username, groups, email, name })}\n`
}

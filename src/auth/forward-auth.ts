import type { GatewayResponse } from '../http/response.ts'
import type { AuthenticatedUser } from './authenticate.ts'
import type { Identity } from './identity.ts'

/** The 200 response to a forward-auth sub-request: the proxy copies `Authorization` to the original request and discards the rest. */
export function createAuthorizedResponse(): (user: AuthenticatedUser) => GatewayResponse {
  const bodies = new WeakMap<Identity, string>()

  return function authorizedResponse({ identity, credential }) {
    let body = bodies.get(identity)
    if (body === undefined) {
      body = renderBody(identity)
      bodies.set(identity, body)
    }
    return {
      status: 200,
      // Node writes a flat list of headers without copying the list.
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
      credential: identity.credential,
    }
  }
}

function renderBody({ username, groups, email, name }: Identity): string {
  return `${JSON.stringify({ message: 'Authentication successful', username, groups, email, name })}\n`
}

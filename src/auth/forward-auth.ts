import type { ServerResponse } from 'node:http'
import type { Authenticated } from './authenticate.ts'
import type { Identity } from './identity.ts'

/** Answers a forward-auth sub-request: the proxy takes `Authorization` from it and throws the rest away. */
export function createSendAuthorized(): (response: ServerResponse, authenticated: Authenticated) => void {
  const bodies = new WeakMap<Identity, string>()

  return function sendAuthorized(response, { identity, credential }) {
    let body = bodies.get(identity)
    if (body === undefined) {
      body = bodyFor(identity)
      bodies.set(identity, body)
    }
    // As a flat list, which Node writes as it stands: the quickest way, and nothing can be set beside it.
    response.writeHead(200, [
      'Authorization',
      credential.authorization,
      'Content-Type',
      'application/json; charset=utf-8',
      'Content-Length',
      String(Buffer.byteLength(body)),
      'Cache-Control',
      'no-store',
    ])
    response.end(body) // Node leaves the body out of an answer to HEAD
  }
}

function bodyFor({ username, groups, email, name }: Identity): string {
  return `${JSON.stringify({ message: 'Authentication successful', username, groups, email, name })}\n`
}

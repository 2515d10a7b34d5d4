import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtVerify } from 'jose'
import type { Accounts } from './accounts.ts'
import { respondJson } from './faults.ts'
import type { SigningKey } from './keys.ts'

export function isJwt({ headers: { authorization = '' } }: IncomingMessage): boolean {
  return /^bearer ey[^.]*\.[^.]*\./i.test(authorization)
}

/** The userinfo endpoint for JWT access tokens, which Keycloak and others accept; oidc-provider accepts opaque ones only. */
export function createJwtUserinfo(keys: readonly SigningKey[], accounts: Accounts) {
  return async function handleUserinfo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = request.headers.authorization!.replace(/^bearer /i, '')
    const respond = await jwtVerify(token, ({ kid }) => keys.find((key) => key.kid === kid)!.publicKey)
      .then(({ payload: { sub = '' } }) => respondJson(200, { sub, ...accounts.get(sub) }))
      .catch(() => respondJson(401, { error: 'invalid_token' }))
    respond(request, response, () => {})
  }
}

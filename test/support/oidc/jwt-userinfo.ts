import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtVerify } from 'jose'
import type { Accounts } from './accounts.ts'
import { answerJson } from './faults.ts'
import type { SigningKey } from './keys.ts'

export function isJwt({ headers: { authorization = '' } }: IncomingMessage): boolean {
  return /^bearer ey[^.]*\.[^.]*\./i.test(authorization)
}

/** The userinfo endpoint for JWT access tokens: Keycloak and others answer to these, this provider to opaque ones only. */
export function createJwtUserinfo(keys: readonly SigningKey[], accounts: Accounts) {
  return async function answerUserinfo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = request.headers.authorization!.replace(/^bearer /i, '')
    const answer = await jwtVerify(token, ({ kid }) => keys.find((key) => key.kid === kid)!.publicKey)
      .then(({ payload: { sub = '' } }) => answerJson(200, { sub, ...accounts.get(sub) }))
      .catch(() => answerJson(401, { error: 'invalid_token' }))
    answer(request, response, () => {})
  }
}

import { GatewayError } from '../../http/errors.ts'

/** @param reason what is wrong with it, without anything of the token that could be used */
export function invalidToken(reason: string): GatewayError {
  return new GatewayError('token_invalid', `the token was refused: ${reason}`)
}

import { GatewayError } from '../../http/errors.ts'

/** @param reason what is wrong with the token, without any part of it that could be used */
export function invalidToken(reason: string): GatewayError {
  return new GatewayError('token_invalid', `the token was rejected: ${reason}`)
}

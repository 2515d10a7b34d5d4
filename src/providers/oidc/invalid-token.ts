import { GatewayError } from '../../http/errors.ts'

/** @param reason what is wrong with the token, without any part of it that could be used */
export function invalidToken(reason: string): GatewayError {
  return new GatewayError('token_invalid', `the token was rejected: ${reason}`)
}

/** An ID token of a login at elastauth. Logout URLs contain such tokens (see `createIsOwnNonce`). */
export function ownIdToken(): GatewayError {
  return invalidToken('it is the ID token of a login at elastauth, which counts only as a session')
}

/** Says that a time in a token does not fit the clock, and by how much. @param seconds since 1970 */
export function describeTime(claim: string, seconds: number, nowMs: number): string {
  const distance = Math.round(seconds - nowMs / 1000)
  const offset = distance <= 0 ? `${-distance} s ago` : `in ${distance} s`
  return `its ${claim} is ${offset} by this machine's clock`
}

export const clockAdvice = 'synchronize the clocks of this machine and the provider'

import { GatewayError } from '../http/errors.ts'

/** What the store rejected with, as an error of the request that needed it. */
export function unavailable(cause: unknown): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new GatewayError('sessions_unavailable', `sessions cannot be read or written: ${reason}`, { cause })
}

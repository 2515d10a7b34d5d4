import { GatewayError } from '../http/errors.ts'

/** Wraps an error of the session store. */
export function storeUnavailable(cause: unknown): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new GatewayError('sessions_unavailable', `cannot read or write sessions: ${reason}`, { cause })
}

import { GatewayError } from '../http/errors.ts'

/** Wraps an error of the session store. */
export function storeUnavailable(cause: unknown): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new GatewayError('sessions_unavailable', `cannot read or write sessions: ${reason}`, { cause })
}

/** Rejects with GatewayError sessions_unavailable if the store fails. */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof GatewayError ? error : storeUnavailable(error)
  }
}

/** Errors of connections that were never established, so the refresh token was not sent. */
const connectErrors = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]

/**
 * Whether a failed refresh may have consumed the refresh token, which many providers accept only once. True if the token may
 * have been sent and the provider did not respond with an error.
 */
export function mayHaveConsumedToken(thrown: unknown): boolean {
  for (let error = thrown; typeof error === 'object' && error !== null; error = (error as Error).cause) {
    const { status, code } = error as { status?: unknown; code?: unknown }
    if (typeof status === 'number') return status < 400
    if (typeof code === 'string' && connectErrors.includes(code)) return false
    if (code === 'provider_unavailable' && (error as Error).cause === undefined) return false // rejected before it was sent
  }
  return true
}

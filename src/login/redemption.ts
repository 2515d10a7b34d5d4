/** Of connections that never came to be: what was to be sent is still ours. */
const unsent = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']

/**
 * Whether a refresh token may be spent, though its refresh failed with this: it was sent, and no refusal came back. The
 * answer was late, cut off, or makes no sense; the provider may have taken the token all the same.
 */
export function mayBeRedeemed(thrown: unknown): boolean {
  for (let error = thrown; typeof error === 'object' && error !== null; error = (error as Error).cause) {
    const { status, code } = error as { status?: unknown; code?: unknown }
    if (typeof status === 'number') return status < 400
    if (typeof code === 'string' && unsent.includes(code)) return false
    if (code === 'provider_unavailable' && (error as Error).cause === undefined) return false // refused before it was sent
  }
  return true
}

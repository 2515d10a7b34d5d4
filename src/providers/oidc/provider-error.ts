import { GatewayError } from '../../http/errors.ts'
import { isHtml } from '../../http/media-type.ts'

/**
 * Converts an error of a call to the provider to GatewayError provider_unavailable; a GatewayError is returned
 * unchanged. Only messages and codes are copied into the detail, because the error objects contain responses, and these
 * may contain tokens.
 * @param operation the call that failed, as the detail names it: `discovery`, `userinfo`
 */
export function asProviderError(thrown: unknown, operation: string): GatewayError {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof GatewayError) return error
  }
  const { message = 'no reason given', code, cause } = thrown as { message?: string; code?: string; cause?: unknown }
  // openid-client gives its own reason in the first cause. Deeper causes may quote the provider's response.
  const detail = cause instanceof Error && 'code' in cause && cause.code === code ? `: ${cause.message}` : ''
  const reason = code === undefined ? message : `${message}${detail} (${code})`
  return new GatewayError('provider_unavailable', `the identity provider (${operation}): ${reason}`)
}

/**
 * The error for a call that finds the queue full. The queue is limited so that invented tokens and codes cannot block
 * other users' calls to the provider.
 */
export function queueFullError(maxQueued: number): GatewayError {
  return new GatewayError('provider_unavailable', `the identity provider: ${maxQueued} questions wait to be asked`)
}

/** The status of the response that made openid-client throw, if there was one. */
export function statusOf(thrown: unknown): number | undefined {
  const { status, cause } = thrown as { status?: unknown; cause?: { status?: unknown } }
  const found = status ?? cause?.status
  return typeof found === 'number' ? found : undefined
}

/** Whether the response that made openid-client throw was HTML. */
export function isHtmlResponse(thrown: unknown): boolean {
  const { response, cause } = thrown as { response?: unknown; cause?: unknown }
  const found = [response, cause].find((candidate) => candidate instanceof Response)
  return found !== undefined && isHtml(found.headers.get('content-type') ?? '')
}

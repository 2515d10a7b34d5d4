import { GatewayError } from '../../http/errors.ts'

/**
 * What a call to the provider threw, as GatewayError: our own as it is, anything else as provider_unavailable.
 * Only messages and codes go into the detail. The objects hold responses, and so perhaps tokens.
 */
export function asProviderError(thrown: unknown, doing: string): GatewayError {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof GatewayError) return error
  }
  const { message = 'no reason given', code, cause } = thrown as { message?: string; code?: string; cause?: unknown }
  // openid-client's own reason is one below; what lies deeper may quote the provider's answer.
  const detail = cause instanceof Error && 'code' in cause && cause.code === code ? `: ${cause.message}` : ''
  const reason = code === undefined ? message : `${message}${detail} (${code})`
  return new GatewayError('provider_unavailable', `the identity provider, ${doing}: ${reason}`)
}

/** The status of the answer that made openid-client throw, where there was one. */
export function statusOf(thrown: unknown): number | undefined {
  const { status, cause } = thrown as { status?: unknown; cause?: { status?: unknown } }
  const found = status ?? cause?.status
  return typeof found === 'number' ? found : undefined
}

/** Whether the response that made openid-client throw was HTML. */
export function isHtmlResponse(thrown: unknown): boolean {
  const { response, cause } = thrown as { response?: unknown; cause?: unknown }
  const answer = [response, cause].find((one) => one instanceof Response)
  return (
    answer !== undefined && /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(answer.headers.get('content-type') ?? '')
  )
}

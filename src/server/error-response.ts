import type { IncomingMessage } from 'node:http'
import { errorPage } from '../endpoints/html/error-page.ts'
import { type ErrorCode, errorTable, type GatewayError } from '../http/errors.ts'
import { answerWith, type GatewayResponse } from '../http/response.ts'

/** How a caller wants to hear a denial. nginx's auth_request knows 401 and 403 and makes a 500 of anything else. */
export type ForwardAuthProfile = 'generic' | 'nginx'

export type RenderError = (
  request: Pick<IncomingMessage, 'headers'>,
  error: GatewayError,
  requestId: string,
) => GatewayResponse

/** Seconds after which a client may try again what was not available. */
const retryAfter = '5'

export type RenderErrorOptions = Readonly<{
  /** Whether people log in with us. */
  hasLogin?: boolean
  /** Whether `Authorization: Bearer` is a way in. */
  takesTokens?: boolean
}>

/** The public half of an error: as a page where the client asks for HTML first, else as JSON. */
export function createRenderError(profile: ForwardAuthProfile, options: RenderErrorOptions = {}): RenderError {
  const { hasLogin = false, takesTokens = false } = options
  return function answerError({ headers: { accept } }, { code, username, allow }, requestId) {
    const { message } = errorTable[code]
    const status = statusFor(code, profile)
    const answer = wantsHtml(accept)
      ? errorPage({ code, status, message, requestId, hasLogin })
      : answerWith(status, 'application/json; charset=utf-8', jsonOf(code, message, requestId))
    if (status === 503) answer.headers.push('Retry-After', retryAfter)
    if (status === 401 && takesTokens) answer.headers.push('WWW-Authenticate', challengeFor(code))
    if (status === 405) answer.headers.push('Allow', allow.join(', '))
    return { ...answer, username }
  }
}

function statusFor(code: ErrorCode, profile: ForwardAuthProfile): number {
  const { status } = errorTable[code]
  return profile === 'nginx' && (status === 400 || status === 404 || status === 431) ? 403 : status
}

/** RFC 6750, 3: a request without a token is told no error. */
function challengeFor(code: ErrorCode): string {
  if (code === 'token_expired') return 'Bearer error="invalid_token", error_description="The token has expired"'
  return code === 'token_invalid' ? 'Bearer error="invalid_token"' : 'Bearer'
}

function wantsHtml(accept: string | undefined): boolean {
  const first = accept?.split(',', 1)[0]?.split(';', 1)[0]?.trim().toLowerCase()
  return first === 'text/html' || first === 'application/xhtml+xml'
}

function jsonOf(code: ErrorCode, message: string, requestId: string): string {
  return `${JSON.stringify({ error: code, message, request_id: requestId })}\n`
}

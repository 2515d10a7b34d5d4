import type { IncomingMessage } from 'node:http'
import { errorPage } from '../endpoints/html/error-page.ts'
import { type ErrorCode, errorTable, type GatewayError } from '../http/errors.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'

/**
 * Which error statuses the calling proxy understands: nginx's auth_request turns every error except 401 and 403 into
 * 500.
 */
export type ForwardAuthProfile = 'generic' | 'nginx'

export type RenderError = (
  request: Pick<IncomingMessage, 'headers'>,
  error: GatewayError,
  requestId: string,
) => GatewayResponse

const unavailableSeconds = '5'

export type RenderErrorOptions = Readonly<{
  /** Whether users can log in at `/elastauth/login`. */
  hasLogin?: boolean
  /** Where users get help: a text or a link. */
  support?: string | undefined
  acceptsBearerTokens?: boolean
  /** Whether users can send a password by Basic authentication. */
  acceptsPasswords?: boolean
}>

/** Renders the public part of an error: as an HTML page if the client prefers HTML, else as JSON. */
export function createRenderError(profile: ForwardAuthProfile, options: RenderErrorOptions = {}): RenderError {
  const { hasLogin = false, acceptsBearerTokens = false, acceptsPasswords = false, support } = options
  return function renderError({ headers }, { code, username, allow, retryAfterSeconds }, requestId) {
    const { message } = errorTable[code]
    const status = statusFor(code, profile)
    const response = prefersHtml(headers.accept)
      ? errorPage({ code, status, message, requestId, hasLogin, username, support })
      : createResponse(status, 'application/json; charset=utf-8', toJson(code, message, requestId))
    if (status === 503) response.headers.push('Retry-After', unavailableSeconds)
    else if (retryAfterSeconds !== undefined) response.headers.push('Retry-After', String(retryAfterSeconds))
    if (status === 401 && acceptsBearerTokens) response.headers.push('WWW-Authenticate', challengeFor(code))
    if (status === 401 && acceptsPasswords && asksForPassword(headers, hasLogin))
      response.headers.push('WWW-Authenticate', 'Basic realm="elastauth", charset="UTF-8"')
    if (status === 405) response.headers.push('Allow', allow.join(', '))
    return { ...response, username }
  }
}

function statusFor(code: ErrorCode, profile: ForwardAuthProfile): number {
  const { status } = errorTable[code]
  return profile === 'nginx' && forNginx.has(status) ? 403 : status
}

/** The statuses that nginx would turn into 500. */
const forNginx: ReadonlySet<number> = new Set([400, 404, 429, 431])

/** RFC 6750, section 3: without a token in the request, the challenge contains no error. */
function challengeFor(code: ErrorCode): string {
  if (code === 'token_expired') return 'Bearer error="invalid_token", error_description="The token has expired"'
  return code === 'token_invalid' ? 'Bearer error="invalid_token"' : 'Bearer'
}

/**
 * Whether to ask the client for a password (RFC 7617). A browser would open its dialog, so it is asked only for pages, and
 * only if they have no other way to sign in; scripts on a page, such as Kibana's, handle the 401 themselves.
 */
function asksForPassword(headers: IncomingMessage['headers'], hasLogin: boolean): boolean {
  const mode = headers['sec-fetch-mode']
  const isNavigation = mode === undefined ? prefersHtml(headers.accept) : mode === 'navigate'
  return isNavigation ? !hasLogin : mode === undefined
}

function prefersHtml(accept: string | undefined): boolean {
  const first = accept?.split(',', 1)[0]?.split(';', 1)[0]?.trim().toLowerCase()
  return first === 'text/html' || first === 'application/xhtml+xml'
}

function toJson(code: ErrorCode, message: string, requestId: string): string {
  return `${JSON.stringify({ error: code, message, request_id: requestId })}\n`
}

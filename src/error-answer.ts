import type { IncomingMessage } from 'node:http'
import { type Answer, answerWith } from './answer.ts'
import { type ErrorCode, errorTable, type GatewayError } from './errors.ts'

/** How a caller wants to hear a denial. nginx's auth_request knows 401 and 403 and makes a 500 of anything else. */
export type ForwardAuthProfile = 'generic' | 'nginx'

export type AnswerError = (request: Pick<IncomingMessage, 'headers'>, error: GatewayError, requestId: string) => Answer

/** Seconds after which a client may try again what was not available. */
const retryAfter = '5'

const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

/** The public half of an error: as a page where the client asks for HTML first, else as JSON. */
export function createAnswerError(profile: ForwardAuthProfile): AnswerError {
  return function answerError({ headers: { accept } }, { code, username }, requestId) {
    const { message } = errorTable[code]
    const status = statusFor(code, profile)
    const isPage = wantsHtml(accept)
    const answer = isPage
      ? answerWith(status, 'text/html; charset=utf-8', pageOf(status, message, requestId), username)
      : answerWith(status, 'application/json; charset=utf-8', jsonOf(code, message, requestId), username)
    if (isPage) answer.headers.push('Content-Security-Policy', pagePolicy)
    if (status === 503) answer.headers.push('Retry-After', retryAfter)
    if (status === 405) answer.headers.push('Allow', 'GET, HEAD')
    return answer
  }
}

function statusFor(code: ErrorCode, profile: ForwardAuthProfile): number {
  const { status } = errorTable[code]
  return profile === 'nginx' && (status === 400 || status === 431) ? 403 : status
}

function wantsHtml(accept: string | undefined): boolean {
  const first = accept?.split(',', 1)[0]?.split(';', 1)[0]?.trim().toLowerCase()
  return first === 'text/html' || first === 'application/xhtml+xml'
}

function jsonOf(code: ErrorCode, message: string, requestId: string): string {
  return `${JSON.stringify({ error: code, message, request_id: requestId })}\n`
}

/** All that is put into the page is ours: the table's text, and an id that we made. */
function pageOf(status: number, message: string, requestId: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${message}</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1rem }
  h1 { font-size: 1.5rem }
  p { opacity: .75 }
</style>
<h1>${message}</h1>
<p>Status ${status}. If you ask somebody for help, give them this number: <code>${requestId}</code></p>
</html>
`
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, errorTable, type GatewayError } from './errors.ts'

/** How a caller wants to hear a denial. nginx's auth_request knows 401 and 403 and makes a 500 of anything else. */
export type ForwardAuthProfile = 'generic' | 'nginx'

export type SendError = (
  request: IncomingMessage,
  response: ServerResponse,
  error: GatewayError,
  requestId: string,
) => void

/** Seconds after which a client may try again what was not available. */
const retryAfter = '5'

/** Ends a response with the public half of an error: as a page where the client asks for HTML first, else as JSON. */
export function createSendError(profile: ForwardAuthProfile): SendError {
  return function sendError(request, response, { code }, requestId) {
    if (response.headersSent) {
      response.destroy()
      return
    }
    const { message } = errorTable[code]
    const status = statusFor(code, profile)
    const html = wantsHtml(request.headers.accept)
    const body = html ? pageOf(status, message, requestId) : jsonOf(code, message, requestId)
    response.writeHead(status, {
      'Content-Type': html ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      ...(html && {
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      }),
      ...(status === 503 && { 'Retry-After': retryAfter }),
      ...(status === 405 && { Allow: 'GET, HEAD' }),
    })
    response.end(body)
  }
}

/** What a client that broke the protocol gets before its connection is closed: there is no response object for it. */
export function rawErrorResponse(code: ErrorCode, requestId: string): string {
  const { status, message } = errorTable[code]
  const body = jsonOf(code, message, requestId)
  return [
    `HTTP/1.1 ${status} ${code}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

function statusFor(code: ErrorCode, profile: ForwardAuthProfile): number {
  const { status } = errorTable[code]
  return profile === 'nginx' && status === 400 ? 403 : status
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

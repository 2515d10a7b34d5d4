import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'

/** Maximum size of a form. A logout token has a few hundred bytes. */
const maxBodyBytes = 32 * 1024
const bodyTimeoutMs = 10_000

/** The fields of a small form. Rejects with GatewayError logout_invalid. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    throw invalid('the content type must be application/x-www-form-urlencoded')
  const chunks: Buffer[] = []
  let length = 0
  const timer = setTimeout(() => request.destroy(new Error('the body timed out')), bodyTimeoutMs)
  try {
    // Keeps the request open when the loop ends early, so that the error response can be sent.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBodyBytes) throw invalid('the body is too large')
      chunks.push(chunk)
    }
  } catch (cause) {
    request.resume() // an unread body would keep an HTTP/2 stream open
    throw cause instanceof GatewayError
      ? cause
      : new GatewayError('logout_invalid', 'the body is incomplete', { cause })
  } finally {
    clearTimeout(timer)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

function invalid(detail: string): GatewayError {
  return new GatewayError('logout_invalid', detail)
}

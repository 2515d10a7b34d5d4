import type { IncomingMessage } from 'node:http'
import { type ErrorCode, GatewayError } from '../http/errors.ts'
import { mediaTypeOf } from '../http/media-type.ts'

/** @property invalid the error of a body that is not a form, or incomplete @property tooLarge the error of a long body */
export type FormLimits = Readonly<{ maxBytes: number; invalid: ErrorCode; tooLarge: ErrorCode }>

const bodyTimeoutMs = 10_000

/** The fields of a small form. Rejects with GatewayError. */
export async function readForm(
  request: IncomingMessage,
  { maxBytes, invalid, tooLarge }: FormLimits,
): Promise<URLSearchParams> {
  if (mediaTypeOf(request.headers['content-type'] ?? '') !== 'application/x-www-form-urlencoded')
    throw new GatewayError(invalid, 'the content type must be application/x-www-form-urlencoded')
  const chunks: Buffer[] = []
  let length = 0
  const timer = setTimeout(() => request.destroy(new Error('the body timed out')), bodyTimeoutMs)
  try {
    // Keeps the request open when the loop ends early, so that the error response can be sent.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) throw new GatewayError(tooLarge, 'the body is too large')
      chunks.push(chunk)
    }
  } catch (cause) {
    request.resume() // an unread body would keep an HTTP/2 stream open
    throw cause instanceof GatewayError ? cause : new GatewayError(invalid, 'the body is incomplete', { cause })
  } finally {
    clearTimeout(timer)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

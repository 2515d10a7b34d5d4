import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../http/errors.ts'

/** A logout token is a few hundred bytes. */
const longest = 32 * 1024
/** How long it may take to arrive, in milliseconds. */
const patience = 10_000

/** The fields of a small form. Rejects with GatewayError logout_invalid. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw invalid('the body is no form')
  const pieces: Buffer[] = []
  let length = 0
  const timer = setTimeout(() => request.destroy(new Error('it took too long')), patience)
  try {
    // Not destroyed, the request can still be answered.
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > longest) throw invalid('the body is too long')
      pieces.push(piece)
    }
  } catch (cause) {
    request.resume() // what nobody reads would keep a stream of HTTP/2 open
    throw cause instanceof GatewayError ? cause : new GatewayError('logout_invalid', 'the body broke off', { cause })
  } finally {
    clearTimeout(timer)
  }
  return new URLSearchParams(Buffer.concat(pieces).toString('utf8'))
}

function invalid(detail: string): GatewayError {
  return new GatewayError('logout_invalid', detail)
}

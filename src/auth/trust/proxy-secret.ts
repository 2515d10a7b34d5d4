import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { valuesOf } from '../../http/headers.ts'

/** Whether a request contains the proxy's shared secret in exactly one header line. Compares in constant time. */
export function createHasProxySecret(
  header: string,
  secret: string,
): (request: Pick<IncomingMessage, 'rawHeaders'>) => boolean {
  const name = header.toLowerCase()
  const expected = digest(secret)

  return function hasProxySecret({ rawHeaders }) {
    const values = valuesOf(rawHeaders, name)
    // timingSafeEqual needs buffers of the same length, so digests are compared instead of the values.
    return values.length === 1 && timingSafeEqual(digest(values[0]!), expected)
  }
}

/** Why a request does not contain the proxy's shared secret in exactly one header line. */
export function explainMissingSecret({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, header: string): string {
  const { length } = valuesOf(rawHeaders, header.toLowerCase())
  if (length === 0) return `without the proxy_secret: let the proxy send it in the header ${header}`
  return length === 1
    ? `with a wrong proxy_secret in the header ${header}: set the same secret in the proxy and here`
    : `with ${length} headers ${header}: let the proxy replace the header that it receives`
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'latin1').digest()
}

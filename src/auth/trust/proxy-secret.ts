import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { valuesOf } from '../../http/headers.ts'

/** Whether a request carries the secret that only our proxy knows, once. Compares in constant time. */
export function createHasProxySecret(
  header: string,
  secret: string,
): (request: Pick<IncomingMessage, 'rawHeaders'>) => boolean {
  const name = header.toLowerCase()
  const expected = digest(secret)

  return function hasSecret({ rawHeaders }) {
    const values = valuesOf(rawHeaders, name)
    // Digests have the same length whatever was sent, and timingSafeEqual wants that.
    return values.length === 1 && timingSafeEqual(digest(values[0]!), expected)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'latin1').digest()
}

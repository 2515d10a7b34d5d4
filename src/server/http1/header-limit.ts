import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../http/errors.ts'

export const maxHeaderCount = 500

/** Throws GatewayError headers_too_large. Node would drop the headers beyond the limit silently. */
export function checkHeaderCount({ rawHeaders }: IncomingMessage): void {
  if (rawHeaders.length > 2 * maxHeaderCount)
    throw new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
}

import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../http/errors.ts'

export const maxHeaderCount = 500

/**
 * Throws GatewayError headers_too_large if a request has too many headers: Node silently drops those beyond its own
 * limit.
 */
export function checkHeaderCount({ rawHeaders }: IncomingMessage): void {
  if (rawHeaders.length > 2 * maxHeaderCount)
    throw new GatewayError('headers_too_large', `more than ${maxHeaderCount} headers`)
}

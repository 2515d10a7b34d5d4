import type { IncomingMessage } from 'node:http'
import { fromWhere } from './cross-site.ts'
import { isWebSocket } from './navigation.ts'
import { apparentOrigin } from './origin.ts'

/**
 * Whether another site's page makes a request, and it may change something: browsers send cookies along with such requests
 * where whoever set them allowed it (`SameSite=None`), or where they know no `SameSite`.
 * @param redirectUrl of ours at the provider, where it is configured: its origin is our own
 */
export function createActsFromElsewhere(
  redirectUrl: string | undefined,
  isTrusted: (request: IncomingMessage) => boolean,
): (request: IncomingMessage) => boolean {
  const configured = redirectUrl === undefined ? undefined : new URL(redirectUrl).origin

  return function actsFromElsewhere(request) {
    if (isRead(request)) return false
    return fromWhere(request.headers, configured ?? apparentOrigin(request, isTrusted(request))) === 'elsewhere'
  }
}

/** Neither this request writes or opens a WebSocket, nor the one that it asks about, whoever says so. */
function isRead({ method, headers }: IncomingMessage): boolean {
  const methods = [method, headers['x-forwarded-method'], headers['x-original-method']]
  return methods.every((one) => one === undefined || isReadMethod(one)) && !isWebSocket(headers)
}

function isReadMethod(method: string | string[]): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

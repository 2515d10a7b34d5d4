import type { IncomingMessage } from 'node:http'

/**
 * Whether another site’s page makes this request, and it may change something. Browsers send cookies along with such
 * requests where whoever set them allowed it (`SameSite=None`), and say so in `Sec-Fetch-Site`, which no script can set.
 */
export function actsFromElsewhere({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  const methods = [method, headers['x-forwarded-method'], headers['x-original-method']]
  return headers.upgrade !== undefined || !methods.every(isRead)
}

function isRead(method: string | string[] | undefined): boolean {
  return method === undefined || method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

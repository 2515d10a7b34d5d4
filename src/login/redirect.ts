import type { GatewayResponse } from '../http/response.ts'

/** A redirect that browsers do not cache and that does not leak elastauth's URL in the `Referer` header. */
export function redirect(status: 302 | 303 | 401, location: string, cookies: readonly string[]): GatewayResponse {
  const headers = [
    'Location',
    location,
    'Content-Length',
    '0',
    'Cache-Control',
    'no-store',
    'Referrer-Policy',
    'no-referrer',
  ]
  return { status, headers: [...headers, ...cookies.flatMap((cookie) => ['Set-Cookie', cookie])], body: '' }
}

import type { Answer } from '../http/response.ts'

/** A redirect that nobody keeps. */
export function redirect(status: 302 | 303 | 401, location: string, cookies: readonly string[]): Answer {
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

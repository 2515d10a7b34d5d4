/**
 * The `__Host-` prefix (RFC 6265bis, section 4.1.3.2) prevents cookie tossing: neither other hosts of the domain nor pages
 * without TLS can set these cookies. With `SameSite=Lax`, the only cross-site requests that carry them are top-level
 * navigations.
 */
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax'

export const sessionCookie = '__Host-elastauth-session'

/** A `Set-Cookie` value. Without `maxAgeSeconds` the browser deletes the cookie when it is closed. */
export function setCookie(name: string, value: string, maxAgeSeconds?: number): string {
  return `${name}=${value}; ${attributes}${maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`}`
}

export function clearCookie(name: string): string {
  return setCookie(name, '', 0)
}

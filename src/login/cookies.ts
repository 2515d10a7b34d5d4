/**
 * The `__Host-` prefix (RFC 6265bis, section 4.1.3.2) prevents cookie tossing: neither other hosts of the domain nor pages
 * without TLS can set our cookies. `SameSite=Lax` sends them cross-site with top-level navigations only.
 */
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax'

export const sessionCookie = '__Host-elastauth-session'

/** The value of a cookie; undefined if it is missing, or ambiguous because it occurs more than once. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  const [value, ...more] = readCookies(header, name, 2)
  return more.length > 0 ? undefined : value
}

/** The values of all cookies with this name, at most `max`. */
export function readCookies(header: string | undefined, name: string, max: number): string[] {
  const values: string[] = []
  if (header === undefined) return values
  for (let start = findValue(header, name, 0); start !== -1 && values.length < max; ) {
    const end = header.indexOf(';', start)
    values.push((end === -1 ? header.slice(start) : header.slice(start, end)).trim())
    start = findValue(header, name, start)
  }
  return values
}

/** A `Set-Cookie` value. Without `maxAgeSeconds` the browser deletes the cookie when it is closed. */
export function setCookie(name: string, value: string, maxAgeSeconds?: number): string {
  return `${name}=${value}; ${attributes}${maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`}`
}

export function clearCookie(name: string): string {
  return setCookie(name, '', 0)
}

/**
 * The index of the value of the next cookie with this name, or -1. Only a semicolon ends a cookie: a value may contain spaces,
 * and a neighboring host that sets `x=y __Host-elastauth-session=…` for the whole domain has set a single cookie.
 */
function findValue(header: string, name: string, from: number): number {
  for (let at = header.indexOf(`${name}=`, from); at !== -1; at = header.indexOf(`${name}=`, at + 1)) {
    let before = at - 1
    while (header[before] === ' ') before--
    if (before === -1 || header[before] === ';') return at + name.length + 1
  }
  return -1
}

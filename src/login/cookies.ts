/**
 * Our cookies. `__Host-` (RFC 6265bis, 4.1.3.2) keeps other hosts of the domain, and pages without TLS, from setting them.
 * `Lax` sends them with a link's navigation from elsewhere, and with nothing else from there.
 */
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax'

export const sessionCookie = '__Host-elastauth-session'

/** The value of a cookie; undefined where it is not there, or not there once: then nobody knows which one is meant. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  const [value, ...more] = readCookies(header, name, 2)
  return more.length > 0 ? undefined : value
}

/** The values of all cookies of that name, at most `max`. */
export function readCookies(header: string | undefined, name: string, max: number): string[] {
  const values: string[] = []
  if (header === undefined) return values
  for (let start = positionOf(header, name, 0); start !== -1 && values.length < max; ) {
    const end = header.indexOf(';', start)
    values.push((end === -1 ? header.slice(start) : header.slice(start, end)).trim())
    start = positionOf(header, name, start)
  }
  return values
}

/** A `Set-Cookie` value. Without `maxAge` it goes when the browser is closed. @param maxAge in seconds */
export function setCookie(name: string, value: string, maxAge?: number): string {
  return `${name}=${value}; ${attributes}${maxAge === undefined ? '' : `; Max-Age=${maxAge}`}`
}

export function clearCookie(name: string): string {
  return setCookie(name, '', 0)
}

/**
 * Where the value of the next cookie of that name begins, or -1. Only a semicolon ends the one before: a value may hold
 * blanks, and a neighbouring host that sets `x=y __Host-elastauth-session=…` for the whole domain has set one cookie.
 */
function positionOf(header: string, name: string, from: number): number {
  for (let at = header.indexOf(`${name}=`, from); at !== -1; at = header.indexOf(`${name}=`, at + 1)) {
    let before = at - 1
    while (header[before] === ' ') before--
    if (before === -1 || header[before] === ';') return at + name.length + 1
  }
  return -1
}

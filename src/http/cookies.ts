/**
 * The value of a cookie in a `Cookie` header. Undefined if the cookie is missing, or ambiguous because it occurs more
 * than once.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  const start = findValue(header, name, 0)
  return start === -1 || findValue(header, name, start) !== -1 ? undefined : valueAt(header, start)
}

/** The values of all cookies with this name, at most `max`. */
export function readCookies(header: string | undefined, name: string, max: number): string[] {
  const values: string[] = []
  if (header === undefined) return values
  for (let start = findValue(header, name, 0); start !== -1 && values.length < max; ) {
    values.push(valueAt(header, start))
    start = findValue(header, name, start)
  }
  return values
}

/**
 * The index at which the value of the next cookie with this name begins, or -1 (RFC 6265, section 4.2.1). Only a
 * semicolon ends a cookie, because values may contain spaces: if another host of the domain sets `x=y
 * __Host-elastauth-session=…`, that is a single cookie named `x`.
 */
function findValue(header: string, name: string, from: number): number {
  for (let at = header.indexOf(`${name}=`, from); at !== -1; at = header.indexOf(`${name}=`, at + 1)) {
    let before = at - 1
    while (header[before] === ' ') before--
    if (before === -1 || header[before] === ';') return at + name.length + 1
  }
  return -1
}

function valueAt(header: string, start: number): string {
  const end = header.indexOf(';', start)
  return (end === -1 ? header.slice(start) : header.slice(start, end)).trim()
}

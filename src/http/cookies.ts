/** The value of a cookie in a `Cookie` header; undefined if it is missing, or ambiguous because it occurs more than once. */
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
 * The index of the value of the next cookie with this name, or -1 (RFC 6265, section 4.2.1). Names are case-sensitive and no
 * space follows them. Only a semicolon ends a cookie: a value may contain spaces, and a neighboring host that sets
 * `x=y __Host-elastauth-session=…` for the whole domain has set a single cookie.
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

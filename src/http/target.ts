/**
 * A request target in origin-form (RFC 9112, 3.2.1): an absolute-form target (3.2.2) loses its scheme and authority, all other
 * bytes stay as they are. Undefined for what is neither a path nor a URL, such as `*` or `host:port`.
 */
export function originForm(target: string): string | undefined {
  if (target.startsWith('/')) return target
  const rest = target.replace(schemeAndAuthority, '')
  if (rest.startsWith('/')) return rest
  return rest === '' || /^[?#]/.test(rest) ? `/${rest}` : undefined // an empty path is the same as `/`
}

const schemeAndAuthority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i

/**
 * A target up to its query. A `#`, which RFC 9112 does not allow in a target, is part of the path: some servers read it so, and a
 * check that fails for an unknown path fails for this one, too.
 */
export function pathOf(target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

/** A target up to its query or fragment, for what is not a check: some servers drop a fragment. */
export function pathBeforeFragment(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

/** The query without its `?`, `''` if there is none. */
export function queryOf(target: string): string {
  const start = target.indexOf('?')
  return start === -1 ? '' : target.slice(start + 1)
}

/** Decodes a text once, as UTF-8 (RFC 3986, 2.1). Undefined if a `%` begins no escape, or the bytes are not UTF-8 (`%c0%ae`). */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Decodes a text once, byte by byte as Latin-1. Never fails: what is no escape stays as it is. For patterns of ASCII characters. */
export function percentDecodeBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** The longest address that somebody is brought back to after a login: it travels in the `state`, and providers limit that. */
const longest = 1024

const elsewhere = 'http://origin.invalid'

/**
 * A path, with its query, that leads nowhere but to our own origin, however a browser reads it (WHATWG URL); `/` in place
 * of one that might not, of our own pages, and of one that is too long.
 */
export function safeReturnTo(target: string | null | undefined): string {
  if (target == null || target.length > longest || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(target)) return '/'
  const url = URL.parse(target, elsewhere)
  if (url?.origin !== elsewhere) return '/'
  const path = url.pathname + url.search
  // `/.//host` has become `//host`.
  if (path.startsWith('//') || path.length > longest || isOwnPage(url.pathname)) return '/'
  return path
}

function isOwnPage(path: string): boolean {
  try {
    return /^\/elastauth(?:\/|$)/.test(decodeURIComponent(path))
  } catch {
    return true
  }
}

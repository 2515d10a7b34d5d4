import { percentDecode } from '../http/target.ts'

/** The `state` contains the path, and providers limit the length of the `state`. */
const maxReturnToLength = 1024

const placeholderOrigin = 'http://origin.invalid'

/**
 * Prevents open redirects. Returns the path and query of a target that stays on elastauth's origin when a browser parses it
 * (WHATWG URL); returns `/` for any other target, for elastauth's own endpoints, and for a target that is too long.
 */
export function safeReturnTo(target: string | null | undefined): string {
  if (target == null || target.length > maxReturnToLength || !isPlainPath(target)) return '/'
  const url = URL.parse(target, placeholderOrigin)
  if (url?.origin !== placeholderOrigin) return '/'
  const path = url.pathname + url.search
  // The parser has turned `/.//host` into `//host`.
  if (path.startsWith('//') || path.length > maxReturnToLength || isOwnEndpoint(url.pathname)) return '/'
  return path
}

/**
 * Whether a target begins with exactly one slash, and consists of printable ASCII without spaces and backslashes. Browsers treat
 * `//` and `\\` as the start of a host, and drop control characters.
 */
function isPlainPath(target: string): boolean {
  return target.startsWith('/') && !target.startsWith('//') && printableWithoutBackslash.test(target)
}

const printableWithoutBackslash = /^[\x21-\x5b\x5d-\x7e]*$/

function isOwnEndpoint(path: string): boolean {
  const decoded = percentDecode(path)
  return decoded === undefined || decoded === '/elastauth' || decoded.startsWith('/elastauth/')
}

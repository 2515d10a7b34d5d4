/**
 * A request target in origin-form (RFC 9112, 3.2.1). Scheme and authority of an absolute-form target (3.2.2) are
 * removed, and all other bytes stay unchanged. Undefined for a target that is neither a path nor a URL, such as `*` or
 * `host:port`.
 */
export function originForm(target: string): string | undefined {
  if (target.startsWith('/')) return target
  const rest = parseAbsoluteForm(target)?.rest ?? target
  if (rest.startsWith('/')) return rest
  const hasEmptyPath = rest === '' || rest.startsWith('?') || rest.startsWith('#')
  return hasEmptyPath ? `/${rest}` : undefined // an empty path is the same as `/`
}

/** A target in absolute-form, in three parts that are unchanged. `rest` is the path with the query and the fragment. */
export type AbsoluteForm = Readonly<{ scheme: string; authority: string; rest: string }>

/** Parses a target in absolute-form (RFC 9112, 3.2.2); undefined for any other form. */
export function parseAbsoluteForm(target: string): AbsoluteForm | undefined {
  const match = schemeAndAuthority.exec(target)
  if (match === null) return undefined
  const { scheme = '', authority = '' } = match.groups!
  return { scheme, authority, rest: target.slice(match[0].length) }
}

const schemeAndAuthority = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<authority>[^/?#]*)/i

/** A path without slashes at its end. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end--
  return path.slice(0, end)
}

/**
 * A target up to its query, for access checks. A `#`, which RFC 9112 does not allow in a target, stays part of the
 * path, as some servers interpret it: a check that rejects unknown paths then rejects this one too.
 */
export function pathOf(target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

/** A target up to its query or fragment. Not for access checks, because only some servers drop a fragment. */
export function pathBeforeFragment(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

/** The query without its `?`, `''` if there is none. */
export function queryOf(target: string): string {
  const start = target.indexOf('?')
  return start === -1 ? '' : target.slice(start + 1)
}

/**
 * Percent-decodes a text once, as UTF-8 (RFC 3986, 2.1). Undefined for an invalid escape, or bytes that are not UTF-8
 * (`%c0%ae`).
 */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * Percent-decodes a text once, each byte as a Latin-1 character, for matching ASCII patterns. An invalid escape stays
 * unchanged.
 */
export function percentDecodeBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/**
 * Whether all servers agree on the segments of a target's path: no dot segments, no duplicate slashes, no backslashes, no path
 * parameters, and none of these characters in an encoded form. Prevents path traversal out of a route with `auth: none`.
 */
export function hasUnambiguousPath(target: string): boolean {
  const path = pathOf(target)
  if (ambiguousCharacters.test(path) || dotSegment.test(path)) return false
  return !path.includes('%') || (!ambiguousEncoding.test(path) && percentDecode(path) !== undefined)
}

/** Duplicate slashes, backslashes, a fragment, or path parameters. */
const ambiguousCharacters = /\/\/|[\\#;]/

const dotSegment = /\/\.\.?(?:\/|$)/

/** An encoded control character, `#`, `%`, `.`, `/`, `;`, `?` or `\`; or a `%` that does not start an encoding. */
const ambiguousEncoding = /%(?:[01][0-9a-f]|7f|2[35ef]|3[bf]|5c|(?![0-9a-f]{2}))/i

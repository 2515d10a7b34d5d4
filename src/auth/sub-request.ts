import { GatewayError } from '../http/errors.ts'
import { pathOf, percentDecodeBytes } from '../http/target.ts'

export type SubRequestPaths = Readonly<{
  /** `forward_auth.path_prefix`, for proxies that append the client's path. */
  pathPrefix: string | undefined
  /**
   * Whether `/elastauth`, the address of the former Go version, is accepted. False if users sign in through elastauth, which
   * then serves pages below that path.
   */
  acceptsLegacyPath: boolean
}>

const legacyPath = '/elastauth'

const legacyPathDetail =
  "sub-requests are answered on / only where people sign in through elastauth: point the proxy's auth address there, not to /elastauth"
const noPrefixDetail =
  "sub-requests are answered on / only: point the proxy's auth address there, or set forward_auth.path_prefix"
const otherPathDetail =
  "sub-requests are answered on / and below forward_auth.path_prefix only: point the proxy's auth address there"
const escapesPrefixDetail =
  'the path after forward_auth.path_prefix leads out of the prefix or to /elastauth: route /elastauth/ to elastauth without a sub-request'

/**
 * Throws GatewayError not_found unless the target is exactly `/` or a path below the prefix. A proxy may route any other path
 * from a browser, which must not receive a response with a credential.
 */
export type CheckSubRequestTarget = (target: string) => void

export function createCheckSubRequestTarget(paths: SubRequestPaths): CheckSubRequestTarget {
  const { pathPrefix, acceptsLegacyPath } = paths
  return function checkSubRequestTarget(target) {
    const path = pathOf(target)
    if (path === '/' || (path === legacyPath && acceptsLegacyPath)) return
    const detail = rejectionDetail(path, pathPrefix)
    if (detail !== undefined) throw new GatewayError('not_found', detail)
  }
}

/** Why a path other than `/` is rejected as the address of a sub-request; undefined if the path is accepted. */
function rejectionDetail(path: string, pathPrefix: string | undefined): string | undefined {
  if (path === legacyPath) return legacyPathDetail
  if (pathPrefix === undefined) return noPrefixDetail
  const clientPath = stripPathPrefix(path, pathPrefix)
  if (clientPath === undefined) return otherPathDetail
  return escapesPathPrefix(clientPath) ? escapesPrefixDetail : undefined
}

/** The client's path and query that a proxy has appended to the prefix; undefined if the target does not begin with the prefix. */
export function stripPathPrefix(target: string, pathPrefix: string): string | undefined {
  return target.startsWith(pathPrefix) && target[pathPrefix.length] === '/'
    ? target.slice(pathPrefix.length)
    : undefined
}

/** Paths with more levels of percent-encoding are rejected; no service decodes a path that many times. */
const maxDecodings = 4

/** Whether a path leaves the prefix or enters `/elastauth` (path traversal) after any number of percent-decodings. */
export function escapesPathPrefix(path: string): boolean {
  let decodedPath = path
  for (let i = 0; i <= maxDecodings; i++) {
    if (leavesPrefix(decodedPath.split('/'))) return true
    // Some servers treat a backslash as a slash, others as an ordinary character.
    if (decodedPath.includes('\\') && leavesPrefix(decodedPath.split(/[/\\]/))) return true
    const decoded = percentDecodeBytes(decodedPath)
    if (decoded === decodedPath) return false
    decodedPath = decoded
  }
  return true
}

/**
 * Follows a path segment by segment, without parameters (`..;x`). Unlike in RFC 3986, an empty segment does not count as a
 * level, so that a `..` is detected even if a server merges slashes.
 */
function leavesPrefix(parts: readonly string[]): boolean {
  let depth = 0
  for (const part of parts) {
    const end = part.indexOf(';')
    const segment = end === -1 ? part : part.slice(0, end)
    if (segment === '' || segment === '.') continue
    if (segment === '..') depth--
    else if (depth === 0 && segment.toLowerCase() === 'elastauth') return true
    else depth++
    if (depth < 0) return true
  }
  return false
}

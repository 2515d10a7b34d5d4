import { GatewayError } from '../errors.ts'

export type SubRequestPaths = Readonly<{
  /** `forward_auth.path_prefix`: proxies that append the client's path ask under it. */
  pathPrefix: string | undefined
  /** Whether the predecessor's address `/elastauth` is answered: never where people sign in through us. */
  hasPredecessorPath: boolean
}>

/**
 * Throws GatewayError not_found unless the target of a request is one that a proxy's sub-request has: byte for byte `/`, or
 * what begins with the prefix. The response holds a credential, and a proxy may route any other path to a browser.
 */
export type CheckSubRequestTarget = (target: string) => void

export function createCheckSubRequestTarget(paths: SubRequestPaths): CheckSubRequestTarget {
  const { pathPrefix, hasPredecessorPath } = paths
  return function checkSubRequestTarget(target) {
    const path = pathOf(target)
    if (path === '/') return
    if (path === predecessorPath) {
      if (hasPredecessorPath) return
      throw new GatewayError('not_found', predecessorDetail)
    }
    const appended = pathPrefix === undefined ? undefined : afterPrefix(path, pathPrefix)
    if (appended === undefined) throw new GatewayError('not_found', pathPrefix === undefined ? noPrefix : otherPath)
    if (leadsElsewhere(appended)) throw new GatewayError('not_found', escapesPrefix)
  }
}

const predecessorPath = '/elastauth'

const predecessorDetail =
  'sub-requests are answered on / only where people sign in through elastauth: point the proxy’s auth address there, not to /elastauth'
const noPrefix =
  'sub-requests are answered on / only: point the proxy’s auth address there, or set forward_auth.path_prefix'
const otherPath =
  'sub-requests are answered on / and below forward_auth.path_prefix only: point the proxy’s auth address there'
const escapesPrefix =
  'the path after forward_auth.path_prefix leads out of the prefix or to /elastauth: route /elastauth/ to elastauth without a sub-request'

/** The client's path and query, where a proxy has appended them to the prefix. */
export function afterPrefix(target: string, pathPrefix: string): string | undefined {
  return target.startsWith(pathPrefix) && target[pathPrefix.length] === '/'
    ? target.slice(pathPrefix.length)
    : undefined
}

/** Deeper percent-encoding than this is rejected: no service behind decodes a path so often. */
const maxDecodings = 4

/** Whether a path, by any reading of it, leaves what stands before it or enters `/elastauth`. */
export function leadsElsewhere(path: string): boolean {
  let reading = path
  for (let i = 0; i <= maxDecodings; i++) {
    if (walksElsewhere(reading.split('/'))) return true
    // To some servers a backslash is a slash, to others a letter.
    if (reading.includes('\\') && walksElsewhere(reading.split(/[/\\]/))) return true
    const decoded = decodeOnce(reading)
    if (decoded === reading) return false
    reading = decoded
  }
  return true
}

/**
 * Follows a path segment by segment, without parameters (`..;x`). Empty segments are no level, although RFC 3986 counts them:
 * so the depth is never more than any server's, and `..` leads out here if it does so anywhere.
 */
function walksElsewhere(parts: readonly string[]): boolean {
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

/** Byte by byte: what is no valid UTF-8 stays what it is. */
function decodeOnce(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function pathOf(target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

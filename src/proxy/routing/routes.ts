import { hasUnambiguousPath, pathOf, percentDecode, withoutTrailingSlashes } from '../../http/target.ts'

/** Which requests a route matches. A `null` host or path matches any. */
export type RouteMatch = Readonly<{ host: string | null; path: string | null; auth: 'required' | 'none' }>

/**
 * Returns a function that finds a request's route. Among matching routes, those with a host take precedence, then the
 * one with the longest path; the order in the configuration does not matter.
 */
export function createPickRoute<R extends RouteMatch>(
  routes: readonly R[],
): (host: string, path: string) => R | undefined {
  const compiled = routes
    .map((route) => ({
      route,
      host: route.host === null ? undefined : hostName(route.host),
      prefix: prefixOf(route.path),
      foldedPrefix: fold(prefixOf(route.path)),
    }))
    .toSorted(
      (a, b) => Number(b.host !== undefined) - Number(a.host !== undefined) || b.prefix.length - a.prefix.length,
    )

  return function pickRoute(host, path) {
    const name = compiled[0]?.host === undefined ? '' : hostName(host)
    const index = compiled.findIndex(
      (one) => matches(one, name, path) && (isProtected(one) || hasUnambiguousPath(path)),
    )
    const match = compiled[index]
    if (match === undefined || isProtected(match)) return match?.route
    // Most upstreams treat `%61dmin` as `admin`, and some also `ADMIN` and `admin.`. If such a spelling matches a more
    // specific route that requires a login, that route wins.
    const folded = fold(path)
    const isOpen = !compiled.some(
      (one, i) => i < index && isProtected(one) && matches({ host: one.host, prefix: one.foldedPrefix }, name, folded),
    )
    return isOpen ? match.route : compiled.find((one) => isProtected(one) && matches(one, name, path))?.route
  }
}

type Match = Readonly<{ host: string | undefined; prefix: string }>

function matches({ host, prefix }: Match, name: string, path: string): boolean {
  return (host === undefined || host === name) && isBelow(path, prefix)
}

function isProtected({ route }: Readonly<{ route: RouteMatch }>): boolean {
  return route.auth === 'required'
}

/** Removes a route's path from the start of a request's path. The rest stays unchanged, byte for byte. */
export function stripPath(path: string, prefix: string | null): string {
  const rest = path.slice(prefixOf(prefix).length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** A route's path without trailing slashes; `''` matches all paths. */
function prefixOf(path: string | null): string {
  return withoutTrailingSlashes(path ?? '')
}

/** Whether a path is below a prefix, by whole segments: `/kibanana` is not below `/kibana`. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '') return true
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return next === undefined || next === '/' || next === '?'
}

/** The lookbehind makes matching linear: without it, 60,000 dots in a row take 15 s. */
const trailingDotsAndSpaces = /(?<![. ])[. ]+(?=\/|$)/g

/** A path as the most lenient server interprets it: decoded, in lower case, without trailing dots and spaces in segments. */
function fold(target: string): string {
  const path = pathOf(target)
  return (percentDecode(path) ?? path).toLowerCase().replace(trailingDotsAndSpaces, '')
}

/** A host without its port, and without the trailing dot of an absolute name (RFC 3986, section 3.2.2). */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()
}

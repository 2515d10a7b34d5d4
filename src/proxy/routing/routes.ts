import { pathOf, percentDecode } from '../../http/target.ts'

/** Which requests a route takes; `null` takes any. */
export type RouteMatch = Readonly<{ host: string | null; path: string | null; auth: 'required' | 'none' }>

/**
 * The route of a request: of those that match, the one with a host before those without, then the longest path. The
 * order in the configuration is of no account.
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
    const index = compiled.findIndex((one) => matches(one, name, path) && (isProtected(one) || isPlain(path)))
    const found = compiled[index]
    if (found === undefined || isProtected(found)) return found?.route
    // Most upstreams read `%61dmin` as `admin`, and some also `ADMIN` and `admin.`: a more specific route that requires a login wins.
    const folded = fold(path)
    const isOpen = !compiled.some(
      (one, i) => i < index && isProtected(one) && matches({ host: one.host, prefix: one.foldedPrefix }, name, folded),
    )
    return isOpen ? found.route : compiled.find((one) => isProtected(one) && matches(one, name, path))?.route
  }
}

type Place = Readonly<{ host: string | undefined; prefix: string }>

function matches({ host, prefix }: Place, name: string, path: string): boolean {
  return (host === undefined || host === name) && isBelow(path, prefix)
}

function isProtected({ route }: Readonly<{ route: RouteMatch }>): boolean {
  return route.auth === 'required'
}

/** A path without a route's own, its other bytes as they came. */
export function stripPath(path: string, prefix: string | null): string {
  const rest = path.slice(prefixOf(prefix).length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** `/kibana` for `/kibana/`, `''` for all. */
function prefixOf(path: string | null): string {
  return (path ?? '').replace(/\/+$/, '')
}

/** Whole segments only: `/kibana` is not the start of `/kibanana`. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '') return true
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return next === undefined || next === '/' || next === '?'
}

/**
 * Whether all servers agree on the segments of a target's path: no dot segments, no duplicate slashes, no backslashes, no path
 * parameters, and none of these characters in an encoded form.
 */
function isPlain(target: string): boolean {
  const path = pathOf(target)
  if (/\/\/|\\|[#;]|\/\.{1,2}(?:\/|$)/.test(path)) return false
  return !path.includes('%') || (!ambiguousEncoding.test(path) && percentDecode(path) !== undefined)
}

/** An encoded control character, `#`, `%`, `.`, `/`, `;`, `?` or `\`; or a `%` that is not an encoding. */
const ambiguousEncoding = /%(?:[01][0-9a-f]|7f|2[35ef]|3[bf]|5c|(?![0-9a-f]{2}))/i

/** Matched from the first dot of a run only: from each of its dots, a run of 60,000 takes 15 s. */
const dotsAndBlanksAtEnd = /(?<![. ])[. ]+(?=\/|$)/g

/** A path as the most lenient server may read it: decoded, in lower case, without dots and spaces at the end of a segment. */
function fold(target: string): string {
  const path = pathOf(target)
  return (percentDecode(path) ?? path).toLowerCase().replace(dotsAndBlanksAtEnd, '')
}

/** The host's name without its port, and without the dot that ends an absolute name (RFC 3986, 3.2.2). */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()
}

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
    .map((route) => ({ route, host: route.host?.toLowerCase(), prefix: prefixOf(route.path) }))
    .toSorted(
      (a, b) => Number(b.host !== undefined) - Number(a.host !== undefined) || b.prefix.length - a.prefix.length,
    )

  return function pickRoute(host, path) {
    const name = compiled[0]?.host === undefined ? '' : hostName(host)
    const found = compiled.find(
      (one) =>
        (one.host === undefined || one.host === name) &&
        isBelow(path, one.prefix) &&
        // What the upstream may take for another path must not pass for one that needs no login.
        (one.route.auth === 'required' || isPlain(path)),
    )
    return found?.route
  }
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

/** No dot segments, no doubled, encoded or turned slashes: servers disagree about what those mean. */
function isPlain(target: string): boolean {
  const [path = ''] = target.split('?', 1)
  return !/\/\/|\\|#|%(?:25|2e|2f|5c|00)|\/\.{1,2}(?:[/;]|$)|;/i.test(path)
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}

import type { IncomingHttpHeaders } from 'node:http'

export type From = 'here' | 'elsewhere' | 'unknown'

/**
 * Where a request was made: on a page of this origin (or by the person himself, in the address bar), on another's, or
 * nobody says. `Sec-Fetch-Site` cannot be set by a script; older browsers send `Origin` at least with a POST.
 * A sibling (`same-site`) is another: whoever owns a neighbouring host owns nothing here.
 * @param origin our own, as browsers see it; undefined where we cannot tell
 */
export function fromWhere(headers: IncomingHttpHeaders, origin: string | undefined): From {
  const site = headers['sec-fetch-site']
  if (site) return site === 'same-origin' || site === 'none' ? 'here' : 'elsewhere'
  const from = headers.origin ?? originOf(headers.referer)
  if (from === undefined) return 'unknown'
  return from === origin ? 'here' : 'elsewhere'
}

function originOf(referer: string | undefined): string | undefined {
  return referer === undefined ? undefined : (URL.parse(referer)?.origin ?? 'null')
}

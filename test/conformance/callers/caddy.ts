import { type Header, headersOf } from '../../support/raw-http.ts'
import type { Original } from '../message.ts'
import { type Caller, clientAddress, endToEnd, replacing, verdictByClass } from './caller.ts'

/**
 * Caddy's forward_auth, which is its reverse_proxy with `method GET`. So it keeps the client's `Host`, and forwards the headers of
 * an upgrade. https://caddyserver.com/docs/caddyfile/directives/forward_auth
 */
export const caddy: Caller = {
  name: 'caddy',
  verdictFor: verdictByClass,
  subRequestFor: (original, { url }) => ({
    method: 'GET',
    target: url.pathname + (url.search || queryOf(original)),
    version: '1.1',
    headers: [
      ...replacing(endToEnd(original), [
        ['Host', original.host],
        ['X-Forwarded-For', clientAddress],
        ['X-Forwarded-Host', original.host],
        ['X-Forwarded-Method', original.method],
        ['X-Forwarded-Proto', 'https'],
        ['X-Forwarded-Uri', original.target],
        ['Accept-Encoding', 'gzip'],
      ]),
      ...upgradeOf(original),
    ],
  }),
}

/** `uri` replaces the path, and the query only if `uri` has one. */
function queryOf({ target }: Original): string {
  const start = target.indexOf('?')
  return start === -1 ? '' : target.slice(start)
}

function upgradeOf(original: Original): Header[] {
  const [upgrade] = headersOf(original, 'Upgrade')
  return upgrade === undefined
    ? []
    : [
        ['Connection', 'Upgrade'],
        ['Upgrade', upgrade],
      ]
}

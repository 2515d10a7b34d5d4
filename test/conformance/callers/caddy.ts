import { type Header, type Original, valuesOf } from '../message.ts'
import { type Caller, client, endToEnd, judgePassedOn, replacing } from './caller.ts'

/**
 * Caddy's forward_auth, which is its reverse_proxy with `method GET`: so `Host` stays the client's, and the headers of an
 * upgrade go along. https://caddyserver.com/docs/caddyfile/directives/forward_auth
 */
export const caddy: Caller = {
  name: 'caddy',
  judge: judgePassedOn,
  ask: (original, { url }) => ({
    method: 'GET',
    target: url.pathname + (url.search || queryOf(original)),
    version: '1.1',
    headers: [
      ...replacing(endToEnd(original), [
        ['Host', original.host],
        ['X-Forwarded-For', client],
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

/** Its `uri` replaces the path, and the query only where it has one. */
function queryOf({ target }: Original): string {
  const start = target.indexOf('?')
  return start === -1 ? '' : target.slice(start)
}

function upgradeOf({ headers }: Original): Header[] {
  const [upgrade] = valuesOf(headers, 'Upgrade')
  return upgrade === undefined
    ? []
    : [
        ['Connection', 'Upgrade'],
        ['Upgrade', upgrade],
      ]
}

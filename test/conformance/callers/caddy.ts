import { type Header, type Original, valuesOf } from '../message.ts'
import { type Caller, client, endToEnd, fixedTarget, judgePassedOn, replacing } from './caller.ts'

/**
 * Caddy's forward_auth, which is its reverse_proxy with `method GET`: so `Host` stays the client's, and the headers of an
 * upgrade go along. https://caddyserver.com/docs/caddyfile/directives/forward_auth
 */
export const caddy: Caller = {
  name: 'caddy',
  judge: judgePassedOn,
  ask: (original, { url }) => ({
    method: 'GET',
    target: fixedTarget(url),
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

function upgradeOf({ headers }: Original): Header[] {
  const [upgrade] = valuesOf(headers, 'Upgrade')
  return upgrade === undefined
    ? []
    : [
        ['Connection', 'Upgrade'],
        ['Upgrade', upgrade],
      ]
}

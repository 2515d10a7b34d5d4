import type { ClientRequest, Outcome } from './client-request.ts'
import { sessions } from './sessions.ts'

/** A client's request and the expected outcome behind any proxy. The application receives it only if the status is 200 or 101. */
export type Case = readonly [name: string, request: ClientRequest, expected: Partial<Outcome>]

const asBob = { status: 200, user: 'interop-bob', roles: ['viewer'] } as const
const ownCredential = `Authorization: Basic ${btoa('elastic:changeme')}`
const megabyte = 1024 * 1024
const unusualTarget = '/a%2Fb//c/../d%20e/?q=%26&q=2&r=a+b&s=%C3%A9'
const browser = 'Accept: text/html,application/xhtml+xml,*/*;q=0.8'

export const cases: readonly Case[] = [
  [
    'a user with a full name and an email address',
    { session: 'bob' },
    { ...asBob, fullName: 'Bořivoj Ólafsson', email: 'bob@example.com' },
  ],
  [
    'a user with groups that map to two roles',
    { session: 'alice' },
    { status: 200, user: 'interop-alice', roles: ['kibana_admin', 'viewer'], fullName: null },
  ],
  ['an anonymous request', {}, { status: 401 }],
  ['an expired session', { session: 'ended' }, { status: 401 }],
  [
    'an anonymous browser',
    { lines: [browser], target: '/app/home?a=1&b=2' },
    { status: 302, location: loginFor('/app/home?a=1&b=2') },
  ],
  ['a user whose groups map to no role', { session: 'guest' }, { status: 403 }],
  ['a user without groups', { session: 'groupless' }, { status: 403 }],
  ['a user with the reserved name elastic', { session: 'root' }, { status: 403 }],
  ['a username of the maximum length', { session: 'long' }, { status: 200, user: sessions.long!.username }],
  ['a user with 15 kB of groups', { session: 'crowded' }, { status: 200, user: 'interop-crowded', roles: ['viewer'] }],

  ['an anonymous request with a forged Remote-User', { lines: ['Remote-User: interop-bob'] }, { status: 401 }],
  ['a user with a forged Remote-User', { session: 'bob', lines: ['Remote-User: interop-alice'] }, asBob],
  [
    'a user with two forged Remote-User headers',
    { session: 'bob', lines: ['Remote-User: interop-alice', 'remote-user: elastic'] },
    asBob,
  ],
  [
    'a user with forged Remote_User and REMOTE_GROUPS',
    { session: 'bob', lines: ['Remote_User: interop-alice', 'REMOTE_GROUPS: admins'] },
    asBob,
  ],
  ['a user with a forged Remote.User', { session: 'bob', lines: ['Remote.User: interop-alice'] }, asBob],
  ['a user with forged Remote-Groups', { session: 'bob', lines: ['Remote-Groups: admins'] }, asBob],
  [
    'a user with forged Remote-Name and Remote-Email',
    { session: 'alice', lines: ['Remote-Name: Elastic', 'Remote-Email: elastic@example.com'] },
    { status: 200, user: 'interop-alice', fullName: null, email: null },
  ],
  [
    'a user without groups with forged Remote-Groups',
    { session: 'groupless', lines: ['Remote-Groups: admins'] },
    { status: 403 },
  ],
  [
    'an anonymous request with a forged original URL and method',
    { lines: ['X-Original-URL: /', 'X-Forwarded-Uri: /', 'X-Forwarded-Method: OPTIONS'] },
    { status: 401 },
  ],
  ['an anonymous request for /elastauth/health', { target: '/elastauth/health' }, { status: 401 }],
  [
    "a user's request for /elastauth/health, which the application receives",
    { session: 'bob', target: '/elastauth/health' },
    { ...asBob, target: '/elastauth/health' },
  ],
  ['a user who sends an Authorization header', { session: 'bob', lines: [ownCredential] }, asBob],
  ['an anonymous request with an Authorization header', { lines: [ownCredential] }, { status: 401 }],
  ['a user with es-security-runas-user', { session: 'bob', lines: ['es-security-runas-user: elastic'] }, asBob],
  [
    'a user with es-secondary-authorization',
    { session: 'bob', lines: ['es-secondary-authorization: Basic eDp5'] },
    asBob,
  ],

  ['HEAD', { session: 'bob', method: 'HEAD' }, { ...asBob, method: 'HEAD' }],
  ['an anonymous HEAD', { method: 'HEAD' }, { status: 401 }],
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(
    (method): Case => [method, { session: 'bob', method }, { ...asBob, method }],
  ),
  ['an anonymous OPTIONS', { method: 'OPTIONS' }, { status: 401 }],
  [
    'a body with Content-Length',
    { session: 'bob', method: 'POST', body: 300_000 },
    { ...asBob, method: 'POST', bytes: 300_000 },
  ],
  ['a chunked body', { session: 'bob', method: 'POST', body: 300_000, isChunked: true }, { ...asBob, bytes: 300_000 }],
  ['an anonymous request with a body', { method: 'POST', body: 10_000 }, { status: 401 }],
  [
    'a body with Expect: 100-continue',
    { session: 'bob', method: 'PUT', body: 20_000, lines: ['Expect: 100-continue'] },
    { ...asBob, bytes: 20_000 },
  ],
  ['an upload of 100 MB', { session: 'bob', method: 'PUT', body: 100 * megabyte }, { ...asBob, bytes: 100 * megabyte }],
  ['a path with unusual characters', { session: 'bob', target: unusualTarget }, { ...asBob, target: unusualTarget }],
  ['an anonymous request for that path', { target: unusualTarget }, { status: 401 }],
  ['a query of 4 kB', { session: 'bob', target: `/?${'q'.repeat(4000)}` }, asBob],
  ['a header of 12 kB', { session: 'bob', lines: [`X-Filler: ${'c'.repeat(12_000)}`] }, asBob],
  ['a WebSocket', { session: 'bob', isWebSocket: true }, { ...asBob, status: 101, version: '1.1' }],
  ['an anonymous WebSocket', { isWebSocket: true }, { status: 401 }],
  ['HTTP/1.0', { session: 'bob', version: '1.0' }, asBob],
]

function loginFor(target: string): string {
  return `https://auth.example.com/?rd=${encodeURIComponent(`http://kibana.example.com${target}`)}`
}

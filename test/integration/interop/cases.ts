import type { Ask, Outcome } from './ask.ts'
import { sessions } from './sessions.ts'

/** What a client asks, and what comes of it whichever the proxy. Where that is no 200 or 101, the service behind sees nothing. */
export type Case = readonly [name: string, ask: Ask, expected: Partial<Outcome>]

const asBob = { status: 200, user: 'neighbour-bob', roles: ['viewer'] } as const
const own = `Authorization: Basic ${btoa('elastic:changeme')}`
const megabyte = 1024 * 1024
const odd = '/a%2Fb//c/../d%20e/?q=%26&q=2&r=a+b&s=%C3%A9'
const browser = 'Accept: text/html,application/xhtml+xml,*/*;q=0.8'

export const cases: readonly Case[] = [
  [
    'a user is who Elasticsearch sees',
    { session: 'bob' },
    { ...asBob, fullName: 'Bořivoj Ólafsson', email: 'bob@example.com' },
  ],
  [
    'groups are roles there',
    { session: 'alice' },
    { status: 200, user: 'neighbour-alice', roles: ['kibana_admin', 'viewer'], fullName: null },
  ],
  ['nobody is not let in', {}, { status: 401 }],
  ['nor is a session that has ended', { session: 'ended' }, { status: 401 }],
  [
    'nobody with a browser is sent to log in',
    { lines: [browser], target: '/app/home?a=1&b=2' },
    { status: 302, location: loginFor('/app/home?a=1&b=2') },
  ],
  ['a user whose groups give no role is refused', { session: 'guest' }, { status: 403 }],
  ['a user without groups is refused', { session: 'groupless' }, { status: 403 }],
  ['a user called elastic is refused', { session: 'root' }, { status: 403 }],
  ['the longest of names', { session: 'long' }, { status: 200, user: sessions.long!.username }],
  ['15 kB of groups', { session: 'crowded' }, { status: 200, user: 'neighbour-crowded', roles: ['viewer'] }],

  ['nobody who claims to be somebody', { lines: ['Remote-User: neighbour-bob'] }, { status: 401 }],
  ['a user who claims to be another', { session: 'bob', lines: ['Remote-User: neighbour-alice'] }, asBob],
  [
    'a user who claims so twice',
    { session: 'bob', lines: ['Remote-User: neighbour-alice', 'remote-user: elastic'] },
    asBob,
  ],
  [
    'a user who claims so as Remote_User',
    { session: 'bob', lines: ['Remote_User: neighbour-alice', 'REMOTE_GROUPS: admins'] },
    asBob,
  ],
  ['a user who claims so as Remote.User', { session: 'bob', lines: ['Remote.User: neighbour-alice'] }, asBob],
  ['a user who claims a group', { session: 'bob', lines: ['Remote-Groups: admins'] }, asBob],
  [
    'a user who claims a name and an address',
    { session: 'alice', lines: ['Remote-Name: Elastic', 'Remote-Email: elastic@example.com'] },
    { status: 200, user: 'neighbour-alice', fullName: null, email: null },
  ],
  ['a user without groups who claims one', { session: 'groupless', lines: ['Remote-Groups: admins'] }, { status: 403 }],
  [
    'nobody who claims to ask for something else',
    { lines: ['X-Original-URL: /', 'X-Forwarded-Uri: /', 'X-Forwarded-Method: OPTIONS'] },
    { status: 401 },
  ],
  ['nobody who asks for a page of elastauth’s', { target: '/elastauth/health' }, { status: 401 }],
  [
    'a user who asks for one',
    { session: 'bob', target: '/elastauth/health' },
    { ...asBob, target: '/elastauth/health' },
  ],
  ['a user with an Authorization of their own', { session: 'bob', lines: [own] }, asBob],
  ['nobody with an Authorization of their own', { lines: [own] }, { status: 401 }],
  [
    'a user who wants to be another in Elasticsearch',
    { session: 'bob', lines: ['es-security-runas-user: elastic'] },
    asBob,
  ],
  ['a user with a second Authorization', { session: 'bob', lines: ['es-secondary-authorization: Basic eDp5'] }, asBob],

  ['HEAD', { session: 'bob', method: 'HEAD' }, { ...asBob, method: 'HEAD' }],
  ['HEAD of nobody', { method: 'HEAD' }, { status: 401 }],
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(
    (method): Case => [method, { session: 'bob', method }, { ...asBob, method }],
  ),
  ['OPTIONS of nobody', { method: 'OPTIONS' }, { status: 401 }],
  ['a body', { session: 'bob', method: 'POST', body: 300_000 }, { ...asBob, method: 'POST', bytes: 300_000 }],
  [
    'a body in chunks',
    { session: 'bob', method: 'POST', body: 300_000, isChunked: true },
    { ...asBob, bytes: 300_000 },
  ],
  ['a body of nobody', { method: 'POST', body: 10_000 }, { status: 401 }],
  [
    'a body that waits to be asked for',
    { session: 'bob', method: 'PUT', body: 20_000, lines: ['Expect: 100-continue'] },
    { ...asBob, bytes: 20_000 },
  ],
  ['an upload of 100 MB', { session: 'bob', method: 'PUT', body: 100 * megabyte }, { ...asBob, bytes: 100 * megabyte }],
  ['an odd path', { session: 'bob', target: odd }, { ...asBob, target: odd }],
  ['an odd path of nobody', { target: odd }, { status: 401 }],
  ['a query of 4 kB', { session: 'bob', target: `/?${'q'.repeat(4000)}` }, asBob],
  ['a header of 12 kB', { session: 'bob', lines: [`X-Filler: ${'c'.repeat(12_000)}`] }, asBob],
  ['a WebSocket', { session: 'bob', isWebSocket: true }, { ...asBob, status: 101, version: '1.1' }],
  ['a WebSocket of nobody', { isWebSocket: true }, { status: 401 }],
  ['HTTP/1.0', { session: 'bob', version: '1.0' }, asBob],
]

function loginFor(target: string): string {
  return `https://auth.example.com/?rd=${encodeURIComponent(`http://kibana.example.com${target}`)}`
}

import type { Header } from '../support/raw-http.ts'
import { type Case, original, type People, single } from './case.ts'
import { forgeryCases } from './forgery-cases.ts'
import { spellingsOf } from './spellings.ts'

const browser: Header = ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8']
const websocket: readonly Header[] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
]
const methods = ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']
const targets = [
  '/a/deep/path?q=1&q=2&empty=',
  '//double//slashes/',
  '/dots/../and/./more',
  '/encoded%2Fslash%20blank%25percent',
  '/no%zzescape?%',
  `/long/${'x'.repeat(4000)}`,
]

/** @param ownPaths paths of the server's own pages, such as its health check: none of them may count as a sub-request */
export function casesFor(people: People, ownPaths: readonly string[]): Case[] {
  return [
    ...peopleCases(people),
    ...requestCases(people),
    ...connectionCases(people),
    ...forgeryCases(people, ownPaths),
    ...routedCases(people, ownPaths),
  ]
}

/**
 * Requests of a browser through the proxy's route to the server's own pages, such as its sign-in. The proxy passes the response
 * to the browser, so it must not contain a credential, for any spelling of the path and any client.
 */
function routedCases({ user }: People, ownPaths: readonly string[]): Case[] {
  const names = new Set(ownPaths.map((path) => path.split('/')[1]!))
  return [...(names.size > 0 ? names : ['elastauth'])].flatMap(spellingsOf).flatMap((target) => [
    single(`routed to the server: ${target.slice(0, 45)}`, 'no credential', original(user, { target }), {
      alter: (request) => ({ ...request, method: 'GET', target }),
    }),
    single(`after the prefix: ${target.slice(0, 45)}: denied`, 'denied', original([], { target }), {
      only: ['envoy'],
    }),
  ])
}

function peopleCases({ user, other, forbidden }: People): Case[] {
  return [
    single('a user is allowed', 'user', original(user)),
    single('another user is allowed, with another credential', 'other', original(other)),
    single('an anonymous request is denied', 'denied', original([])),
    single('an anonymous browser is denied', 'denied', original([browser])),
    single('a user with a browser is allowed', 'user', original([...user, browser])),
    ...(forbidden ? [single('a user without access is denied', 'denied', original(forbidden))] : []),
  ]
}

/** The method, path, headers and body of the client's request make no difference to the verdict. */
function requestCases({ user }: People): Case[] {
  const both = (name: string, headers: readonly Header[], parts: Parameters<typeof original>[1]) => [
    single(`${name}: a user is allowed`, 'user', original([...user, ...headers], parts)),
    single(`${name}: an anonymous request is denied`, 'denied', original(headers, parts)),
  ]
  const cookies: readonly Header[] = [['Cookie', `a=${'c'.repeat(3500)}; b=${'c'.repeat(3500)}`]]
  const manyHeaders = Array.from({ length: 100 }, (_, i): Header => [`X-Filler-${i}`, 'f'.repeat(150)])
  return [
    ...methods.flatMap((method) => both(method, [], { method })),
    ...targets.flatMap((target) => both(`path ${target.slice(0, 36)}`, [], { target })),
    ...both('a body with Content-Length', [['Content-Length', '300000']], { method: 'POST' }),
    ...both('a chunked body', [['Transfer-Encoding', 'chunked']], { method: 'POST' }),
    ...both('a WebSocket', websocket, { target: '/ws' }),
    // No second case with a user: the identity is often a cookie itself, and a second Cookie header would be a forgery.
    single('7 KB of cookies: an anonymous request is denied', 'denied', original(cookies)),
    ...both('100 headers, 16 KB', manyHeaders, {}),
  ]
}

function connectionCases({ user, other }: People): Case[] {
  const turns = [user, other, [], user, other] as const
  const expectations = ['user', 'other', 'denied', 'user', 'other'] as const
  return [
    {
      name: 'two users and an anonymous client take turns on one connection',
      only: ['traefik', 'caddy', 'envoy'],
      requests: turns.map((headers, i) => ({ original: original(headers), expect: expectations[i]! })),
    },
    {
      name: 'a response to HEAD has no body: the next response follows',
      only: ['envoy'],
      requests: [
        { original: original(user, { method: 'HEAD' }), expect: 'user' },
        { original: original([], { method: 'HEAD' }), expect: 'denied' },
        { original: original(other), expect: 'other' },
      ],
    },
    single('Content-Length without a body (`Content-Length ""` is missing)', 'user', original(user), {
      only: ['nginx'],
      alter: (request) => ({ ...request, headers: [...request.headers, ['Content-Length', '300000']] }),
    }),
    single('the first bytes of a body (with_request_body)', 'user', original(user, { method: 'POST' }), {
      only: ['envoy'],
      alter: (request) => ({
        ...request,
        headers: [
          ...request.headers.filter(([name]) => name !== 'content-length'),
          ['content-length', '16'],
          ['x-envoy-auth-partial-body', 'true'],
        ],
        body: '{"index":{}}\n{"a',
      }),
    }),
  ]
}

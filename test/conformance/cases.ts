import { type Case, original, type People, single } from './case.ts'
import { forgeryCases } from './forgery-cases.ts'
import type { Header } from './message.ts'
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

/** @param ownPaths paths that the server answers by itself, such as its health check: no verdict may come from there */
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
 * to the browser, so it must not contain a credential, whatever the spelling of the path and whoever the client is.
 */
function routedCases({ user }: People, ownPaths: readonly string[]): Case[] {
  const names = new Set(ownPaths.map((path) => path.split('/')[1]!))
  return [...(names.size > 0 ? names : ['elastauth'])].flatMap(spellingsOf).flatMap((target) => [
    single(`routed to the server: ${target.slice(0, 45)}`, 'no credential', original(user, { target }), {
      alter: (request) => ({ ...request, method: 'GET', target }),
    }),
    single(`after the prefix: ${target.slice(0, 45)}: nobody is let in`, 'nobody', original([], { target }), {
      only: ['envoy'],
    }),
  ])
}

function peopleCases({ user, other, forbidden }: People): Case[] {
  return [
    single('a user is let in', 'user', original(user)),
    single('another user is let in, as another', 'other', original(other)),
    single('nobody is not let in', 'nobody', original([])),
    single('nobody with a browser is not let in', 'nobody', original([browser])),
    single('a user with a browser is let in', 'user', original([...user, browser])),
    ...(forbidden ? [single('somebody who is known may still be refused', 'nobody', original(forbidden))] : []),
  ]
}

/** What is asked for makes no difference to the verdict. */
function requestCases({ user }: People): Case[] {
  const both = (name: string, headers: readonly Header[], parts: Parameters<typeof original>[1]) => [
    single(`${name}: a user is let in`, 'user', original([...user, ...headers], parts)),
    single(`${name}: nobody is not`, 'nobody', original(headers, parts)),
  ]
  const cookies: readonly Header[] = [['Cookie', `a=${'c'.repeat(3500)}; b=${'c'.repeat(3500)}`]]
  const crowd = Array.from({ length: 100 }, (_, i): Header => [`X-Filler-${i}`, 'f'.repeat(150)])
  return [
    ...methods.flatMap((method) => both(method, [], { method })),
    ...targets.flatMap((target) => both(`path ${target.slice(0, 36)}`, [], { target })),
    ...both('a body, by its length', [['Content-Length', '300000']], { method: 'POST' }),
    ...both('a body, in chunks', [['Transfer-Encoding', 'chunked']], { method: 'POST' }),
    ...both('a WebSocket', websocket, { target: '/ws' }),
    // The identity is often a cookie itself, and a second one would be a forgery.
    single('7 KB of cookies: nobody is not let in', 'nobody', original(cookies)),
    ...both('100 headers, 16 KB', crowd, {}),
  ]
}

function connectionCases({ user, other }: People): Case[] {
  const turns = [user, other, [], user, other] as const
  const expectations = ['user', 'other', 'nobody', 'user', 'other'] as const
  return [
    {
      name: 'two users and nobody take turns on one connection',
      only: ['traefik', 'caddy', 'envoy'],
      questions: turns.map((who, i) => ({ original: original(who), expect: expectations[i]! })),
    },
    {
      name: 'an answer to HEAD has no body: the next one follows',
      only: ['envoy'],
      questions: [
        { original: original(user, { method: 'HEAD' }), expect: 'user' },
        { original: original([], { method: 'HEAD' }), expect: 'nobody' },
        { original: original(other), expect: 'other' },
      ],
    },
    single('a length without a body, where `Content-Length ""` was forgotten', 'user', original(user), {
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

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { callers } from './callers/index.ts'
import { faultsOf, type Server, startReferenceServer } from './sound-server.ts'

for (const profile of callers.keys()) {
  test(`${profile}: nothing is wrong with a sound server`, async () => {
    assert.deepEqual(await faultsOf(profile, {}, { path: '/verify?for=tests' }), [])
  })
}

const byCookie = {
  people: { user: [['Cookie', 'session=one']], other: [['Cookie', 'session=two']] },
} as const

function whoIsByCookie({ headers }: IncomingMessage): string | undefined {
  return /^session=(\w+)$/.exec(headers.cookie ?? '')?.[1]
}

for (const profile of callers.keys()) {
  test(`${profile}: a server may know its users by cookie`, async () => {
    assert.deepEqual(await faultsOf(profile, { whoIs: whoIsByCookie }, byCookie), [])
  })
}

test('haproxy would notice, and so does the suite: it waits for a body that no caller sends', async () => {
  const waiting: Partial<Server> = {
    answer: (response, user, request) =>
      request.headers['transfer-encoding']
        ? void request.resume().on('end', () => startReferenceServer.answer(response, user, request))
        : startReferenceServer.answer(response, user, request),
  }
  const faults = await faultsOf('haproxy', waiting, { patience: 1000 })
  assert.match(faults.join('\n'), /^a body, in chunks: a user is let in: no whole answer within 1 s/m)
})

type Flaw = readonly [title: string, profile: string, broken: Partial<Server>, fault: RegExp]

const flaws: readonly Flaw[] = [
  [
    'everybody is let in',
    'traefik',
    { whoIs: (request) => startReferenceServer.whoIs(request) ?? 'guest' },
    /^nobody is not let in: 200: let in/m,
  ],
  [
    'the last of two identities counts',
    'caddy',
    { whoIs: ({ rawHeaders: raw }) => raw.findLast((_, i) => raw[i - 1]?.toLowerCase() === 'remote-user') },
    /^a second identity beside the first: let in as the second user/m,
  ],
  [
    'an alias counts',
    'traefik',
    { whoIs: ({ headers }) => (headers.remote_user ?? headers['remote-user']) as string | undefined },
    /^an alias with _ beside the identity: let in as the second user/m,
  ],
  [
    'the client’s own Authorization is handed on',
    'traefik',
    {
      answer(response, user, request) {
        if (user && request.headers.authorization) response.setHeader('authorization', request.headers.authorization)
        if (response.hasHeader('authorization')) response.writeHead(200).end()
        else startReferenceServer.answer(response, user, request)
      },
    },
    /^its own Authorization is not what a user gets: let in with a credential that is nobody’s/m,
  ],
  [
    'a page of its own answers for the path of the service behind',
    'envoy',
    { whoIs: (request) => (request.url === '/authorize/healthz' ? 'probe' : startReferenceServer.whoIs(request)) },
    /^\/healthz of the service behind is not open: 200: let in/m,
  ],
  [
    'a yes is 204 now and then',
    'envoy',
    {
      answer(response, user, request) {
        if (user && request.method === 'OPTIONS') response.statusCode = 204
        if (response.statusCode === 204) response.setHeader('authorization', 'Basic x').end()
        else startReferenceServer.answer(response, user, request)
      },
    },
    /^OPTIONS: a user is let in: 204 is an answer this proxy makes an error of/m,
  ],
  [
    'who came first on a connection is who comes after',
    'traefik',
    {
      whoIs(request) {
        const user = firstOn.get(request.socket) ?? startReferenceServer.whoIs(request)
        if (user) firstOn.set(request.socket, user)
        return user
      },
    },
    /^two users and nobody take turns on one connection: let in as the wrong user/m,
  ],
  [
    'a no carries a credential',
    'haproxy',
    {
      answer(response, user, request) {
        if (user === undefined) response.setHeader('authorization', 'Basic leaked')
        startReferenceServer.answer(response, user, request)
      },
    },
    /^nobody is not let in: 401, but with a credential/m,
  ],
  [
    'a no sends the browser to log in, where the proxy knows no such no',
    'nginx',
    {
      answer: (response, user, request) =>
        user || !request.headers.accept
          ? startReferenceServer.answer(response, user, request)
          : void response.writeHead(302).end(),
    },
    /^nobody with a browser is not let in: 302 is an answer this proxy makes an error of/m,
  ],
  [
    'a no has more headers than buffers hold',
    'nginx',
    {
      answer(response, user, request) {
        if (user === undefined) response.setHeader('x-why', 'y'.repeat(5000))
        startReferenceServer.answer(response, user, request)
      },
    },
    /^nobody is not let in: the head of the answer has \d+ bytes, more than 4096/m,
  ],
  [
    'an answer to HEAD has a body',
    'envoy',
    {
      answer(response, user, request) {
        if (request.method === 'HEAD') response.on('finish', () => request.socket.write('yes!'))
        startReferenceServer.answer(response, user, request)
      },
    },
    /^an answer to HEAD has no body: the next one follows: "yes!/m,
  ],
]

for (const [title, isSubRequest, fault] of [
  ['every path is a sub-request', () => true, /^routed to the server: \/healthz\/%ff: 200 with Authorization, /m],
  [
    'what cannot be decoded is one',
    (target, ...paths) => startReferenceServer.isSubRequest(target, ...paths) || !isDecodable(target),
    /^routed to the server: \/healthz\/%c3%28: 200 with Authorization, /m,
  ],
  [
    'paths are normalized before they are compared',
    (target, ...paths) => startReferenceServer.isSubRequest(new URL(target, 'http://x').pathname, ...paths),
    /^routed to the server: \/healthz\/%2e%2e\/: 200 with Authorization, /m,
  ],
] as [string, Server['isSubRequest'], RegExp][]) {
  test(`a proxy would hand the credential to a browser, and the suite notices: ${title}`, async () => {
    assert.match((await faultsOf('traefik', { isSubRequest })).join('\n'), fault)
  })
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const firstOn = new WeakMap<object, string>()

for (const [title, profile, broken, fault] of flaws) {
  test(`${profile} would notice, and so does the suite: ${title}`, async () => {
    assert.match((await faultsOf(profile, broken)).join('\n'), fault)
  })
}

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { callers } from './callers/index.ts'
import { faultsOf, referenceServer, type Server } from './reference-server.ts'

for (const profile of callers.keys()) {
  test(`the suite finds no fault in the reference server with profile ${profile}`, async () => {
    assert.deepEqual(await faultsOf(profile, {}, { path: '/verify?for=tests' }), [])
  })
}

const byCookie = {
  people: { user: [['Cookie', 'session=one']], other: [['Cookie', 'session=two']] },
} as const

function identifyByCookie({ headers }: IncomingMessage): string | undefined {
  return /^session=(\w+)$/.exec(headers.cookie ?? '')?.[1]
}

for (const profile of callers.keys()) {
  test(`the suite finds no fault in a server that identifies users by cookie with profile ${profile}`, async () => {
    assert.deepEqual(await faultsOf(profile, { identify: identifyByCookie }, byCookie), [])
  })
}

test('the suite reports a server that waits for a body, which HAProxy never sends', async ({ mock }) => {
  // No response is late on a busy machine: the time limit passes only while the server waits.
  mock.timers.enable({ apis: ['setTimeout'] })
  const waitingServer: Partial<Server> = {
    respond(response, user, request) {
      const respond = () => referenceServer.respond(response, user, request)
      if (!request.headers['transfer-encoding']) return respond()
      request.resume().on('end', respond)
      // By then, a body that was sent with the head has arrived.
      setImmediate(() => request.complete || mock.timers.tick(20_000))
    },
  }
  const faults = await faultsOf('haproxy', waitingServer, { timeoutMs: 20_000 })
  assert.match(faults.join('\n'), /^a chunked body: a user is allowed: no complete response within 20 s/m)
})

type Flaw = readonly [title: string, profile: string, replaced: Partial<Server>, fault: RegExp]

const flaws: readonly Flaw[] = [
  [
    'it allows anonymous requests',
    'traefik',
    { identify: (request) => referenceServer.identify(request) ?? 'guest' },
    /^an anonymous request is denied: 200: allowed/m,
  ],
  [
    'it accepts the last of two identities',
    'caddy',
    { identify: ({ rawHeaders: raw }) => raw.findLast((_, i) => raw[i - 1]?.toLowerCase() === 'remote-user') },
    /^a second identity beside the first: allowed as the second user/m,
  ],
  [
    'it accepts an alias of the identity header',
    'traefik',
    { identify: ({ headers }) => (headers.remote_user ?? headers['remote-user']) as string | undefined },
    /^an alias with _ beside the identity: allowed as the second user/m,
  ],
  [
    "it returns the client's own Authorization",
    'traefik',
    {
      respond(response, user, request) {
        if (user && request.headers.authorization) response.setHeader('authorization', request.headers.authorization)
        if (response.hasHeader('authorization')) response.writeHead(200).end()
        else referenceServer.respond(response, user, request)
      },
    },
    /^a guessed Authorization does not replace the credential of a user: allowed with a credential that is not the user's/m,
  ],
  [
    "one of its own pages handles the application's path",
    'envoy',
    { identify: (request) => (request.url === '/authorize/healthz' ? 'probe' : referenceServer.identify(request)) },
    /^\/healthz of the application: denied: 200: allowed/m,
  ],
  [
    'it allows OPTIONS with 204',
    'envoy',
    {
      respond(response, user, request) {
        if (user && request.method === 'OPTIONS') response.statusCode = 204
        if (response.statusCode === 204) response.setHeader('authorization', 'Basic x').end()
        else referenceServer.respond(response, user, request)
      },
    },
    /^OPTIONS: a user is allowed: 204 is a response that this proxy turns into an error/m,
  ],
  [
    'it keeps the first user of a connection for later requests',
    'traefik',
    {
      identify(request) {
        const user = firstUsers.get(request.socket) ?? referenceServer.identify(request)
        if (user) firstUsers.set(request.socket, user)
        return user
      },
    },
    /^two users and an anonymous client take turns on one connection: allowed as the wrong user/m,
  ],
  [
    'a denial contains a credential',
    'haproxy',
    {
      respond(response, user, request) {
        if (user === undefined) response.setHeader('authorization', 'Basic leaked')
        referenceServer.respond(response, user, request)
      },
    },
    /^an anonymous request is denied: 401, but with a credential/m,
  ],
  [
    'it redirects a browser to the login, which the proxy does not accept as a denial',
    'nginx',
    {
      respond: (response, user, request) =>
        user || !request.headers.accept
          ? referenceServer.respond(response, user, request)
          : void response.writeHead(302).end(),
    },
    /^an anonymous browser is denied: 302 is a response that this proxy turns into an error/m,
  ],
  [
    "the head of a denial exceeds the proxy's buffer",
    'nginx',
    {
      respond(response, user, request) {
        if (user === undefined) response.setHeader('x-why', 'y'.repeat(5000))
        referenceServer.respond(response, user, request)
      },
    },
    /^an anonymous request is denied: the head of the response has \d+ bytes, more than 4096/m,
  ],
  [
    'a response to HEAD has a body',
    'envoy',
    {
      respond(response, user, request) {
        if (request.method === 'HEAD') response.on('finish', () => request.socket.write('yes!'))
        referenceServer.respond(response, user, request)
      },
    },
    /^a response to HEAD has no body: the next response follows: "yes!/m,
  ],
]

for (const [title, isSubRequest, fault] of [
  [
    'it treats every path as a sub-request',
    () => true,
    /^routed to the server: \/healthz\/%ff: 200 with Authorization, /m,
  ],
  [
    'it treats a path that cannot be decoded as a sub-request',
    (target, ...paths) => referenceServer.isSubRequest(target, ...paths) || !isDecodable(target),
    /^routed to the server: \/healthz\/%c3%28: 200 with Authorization, /m,
  ],
  [
    'it normalizes paths before it compares them',
    (target, ...paths) => referenceServer.isSubRequest(new URL(target, 'http://x').pathname, ...paths),
    /^routed to the server: \/healthz\/%2e%2e\/: 200 with Authorization, /m,
  ],
] as [string, Server['isSubRequest'], RegExp][]) {
  test(`the suite reports a server that returns a credential to a browser: ${title}`, async () => {
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

const firstUsers = new WeakMap<object, string>()

for (const [title, profile, replaced, fault] of flaws) {
  test(`the suite reports a faulty server with profile ${profile}: ${title}`, async () => {
    assert.match((await faultsOf(profile, replaced)).join('\n'), fault)
  })
}

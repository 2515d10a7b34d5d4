import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { after, beforeEach, describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startRawUpstream, startUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture, serviceAccount } from './fixture.ts'

let forwarded: { url: string; headers: string[] }[] = []
let status = 200
const upstream = await startUpstream((request, response) => {
  request.resume().on('end', () => {
    forwarded.push({ url: request.url!, headers: [...request.rawHeaders, ...request.rawTrailers] })
    response.writeHead(status).end()
  })
})
const webSockets = await startRawUpstream((socket) => socket.write(switchingProtocols))
const { elasticsearch, elasticsearchUrl } = await createFixture()

// The users' own headers are those of authentik, so that no Remote-* header of a client is an identity.
const routes = [
  { path: '/app', upstreams: [upstream.url], credential: 'none', identity_headers: true },
  { path: '/anonymous', upstreams: [upstream.url], credential: 'none' },
  { path: '/open', upstreams: [upstream.url], auth: 'none' },
  { path: '/both', upstreams: [upstream.url], identity_headers: true },
  { path: '/ws', upstreams: [webSockets.url], credential: 'none', identity_headers: true },
  { upstreams: [upstream.url] },
]
const options = {
  flags: {
    auth_provider: 'authentik',
    'elasticsearch.hosts': elasticsearchUrl,
    'elasticsearch.dry_run': 'false',
    enable_group_whitelist: 'true',
    group_whitelist: 'dev',
  },
  env: {
    ...serviceAccount,
    ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes),
  },
}
const [plain, encrypted] = await Promise.all([
  startProxy(undefined, options),
  startProxy(undefined, { ...options, flags: { ...options.flags, ...tlsFlags() } }),
])

const identity = (username: string, groups = 'dev') => [
  `X-authentik-username: ${username}`,
  `X-authentik-groups: ${groups}`,
  `X-authentik-email: ${username}@example.com`,
]
const forgeries = [
  ...[
    'Remote-User: admin',
    'remote_user: admin',
    'REMOTE.USER: admin',
    'Remote~User: admin',
    'Remote-Groups: admins',
    'Remote_Groups: admins',
  ],
  ...[
    'Remote-Email: admin@example.com',
    'Remote_Name: Admin',
    'Remote-Name: Admin',
    'Authorization: Basic YWRtaW46eA==',
  ],
]

/** The headers that name a user, and the credential, as the upstream has received them. */
function userHeadersOf({ headers }: { headers: string[] }): string[] {
  return headers.flatMap((name, i) =>
    i % 2 === 0 && /^(?:remote\W|remote_|authorization$|x-authentik)/i.test(name) ? [`${name}: ${headers[i + 1]}`] : [],
  )
}

async function send(path: string, lines: string[], { method = 'GET', body = '' } = {}) {
  const connection = openRaw(portOf(plain))
  connection.send([`${method} ${path} HTTP/1.1`, 'Host: es', ...lines, '', body].join('\r\n'))
  const response = await connection.readResponse()
  connection.socket.destroy()
  return response
}

const callsAbout = (username: string) => elasticsearch.calls.filter(({ path }) => path.includes(username))

beforeEach(() => {
  forwarded = []
  status = 200
})

describe('a route with credential: none and identity_headers', () => {
  test('the upstream gets the user in Remote-* headers, and no Authorization; Elasticsearch is not called', async () => {
    assert.equal((await send('/app/x', identity('bob', 'dev|ops'))).status, 200)
    assert.deepEqual(forwarded.flatMap(userHeadersOf), [
      ...['Remote-User: bob', 'Remote-Groups: dev,ops', 'Remote-Email: bob@example.com'],
    ])
    assert.deepEqual(callsAbout('bob'), [])
    const line = await plain.logged((one) => one['url.path'] === '/app/x')
    assert.deepEqual([line['user.name'], line['http.response.status_code']], ['bob', 200])
  })

  test('a 401 response of the upstream is forwarded, without a new password in Elasticsearch', async () => {
    status = 401
    assert.equal((await send('/app/401', identity('dora'))).status, 401)
    assert.equal(forwarded.length, 1)
    assert.deepEqual(callsAbout('dora'), [])
  })

  test('a user whose groups grant no access gets 403, and the upstream no request', async () => {
    const response = await send('/app/denied', identity('eve', 'guests'))
    assert.equal(response.status, 403)
    assert.match(response.body, /"group_denied"/)
    assert.deepEqual(forwarded, [])
  })

  test('a write from another site gets 403 (CSRF), and a request without an identity gets 401', async () => {
    const lines = [...identity('bob'), 'Sec-Fetch-Site: cross-site', 'Content-Length: 0']
    assert.equal((await send('/app/', lines, { method: 'POST' })).status, 403)
    assert.equal((await send('/app/', ['Remote-User: bob'])).status, 401)
    assert.deepEqual(forwarded, [])
  })

  test('a group with a comma or a name in UTF-8 is encoded, and cannot add a group or a header', async () => {
    const name = 'X-authentik-name: Zo\xc3\xab' // UTF-8
    await send('/app/', [...identity('bob', 'dev|guests,admins'), name])
    const [, groups, , fullName] = forwarded.flatMap(userHeadersOf)
    assert.equal(groups, 'Remote-Groups: dev,guests%2Cadmins')
    assert.equal(Buffer.from(fullName!, 'latin1').toString('utf8'), 'Remote-Name: Zoë')
  })

  test('a WebSocket gets the identity headers, and no Authorization', async () => {
    const before = webSockets.received().length
    const connection = requestWebSocket(plain, '/ws/', [...identity('carl'), ...forgeries])
    await connection.until(/^HTTP\/1.1 101 [\s\S]*\r\n\r\n$/)
    connection.socket.destroy()
    const lines = webSockets.received().slice(before).split('\r\n')
    assert.deepEqual(
      lines.filter((line) => /^(?:remote|authorization|x-authentik)/i.test(line)).map((line) => line.toLowerCase()),
      ['remote-user: carl', 'remote-groups: dev', 'remote-email: carl@example.com'],
    )
    assert.deepEqual(callsAbout('carl'), [])
  })

  test('an HTTP/2 request gets the identity headers, and not those of the client', async () => {
    const session = connect(encrypted.url, { ca: authority.cert })
    after(() => session.destroy())
    const stream = session.request({
      ':path': '/app/',
      'x-authentik-username': 'bob',
      'x-authentik-groups': 'dev',
      'remote-user': 'admin',
      remote_groups: 'admins',
      authorization: 'Basic YWRtaW46eA==',
    })
    const [head] = await once(stream.resume(), 'response')
    assert.equal(head[':status'], 200)
    assert.deepEqual(forwarded.flatMap(userHeadersOf), ['Remote-User: bob', 'Remote-Groups: dev'])
  })
})

describe("a client's own identity headers (header spoofing)", () => {
  const expected = ['Remote-User: bob', 'Remote-Groups: dev', 'Remote-Email: bob@example.com']
  for (const [path, kept] of [
    ['/app/', expected],
    ['/anonymous/', []],
    ['/open/', []],
    ['/both/', expected],
    ['/', []],
  ] as const) {
    test(`the upstream of ${path} gets none of a client's own identity headers, in any spelling`, async () => {
      assert.equal((await send(path, [...identity('bob'), ...forgeries])).status, 200)
      const headers = forwarded.flatMap(userHeadersOf).filter((line) => !/^authorization: Basic Ym9i/i.test(line))
      assert.deepEqual(headers, kept)
    })
  }

  test("the upstream of a route with auth: none gets none of a client's own identity headers without an identity either", async () => {
    assert.equal((await send('/open/', forgeries)).status, 200)
    assert.deepEqual(forwarded.flatMap(userHeadersOf), [])
  })

  test('a Connection header cannot remove the identity headers (hop-by-hop header abuse)', async () => {
    const named = 'Connection: keep-alive, Remote-User, Remote-Groups, Remote-Email, X-authentik-foo'
    assert.equal((await send('/app/', [...identity('bob'), ...forgeries, named])).status, 200)
    assert.deepEqual(forwarded.flatMap(userHeadersOf), expected)
  })

  test('a trailer cannot add an identity header', async () => {
    const lines = [...identity('bob'), 'Transfer-Encoding: chunked', 'Trailer: Remote-User']
    const body = '1\r\nx\r\n0\r\nRemote-User: admin\r\nRemote_Groups: admins\r\n\r\n'
    assert.equal((await send('/app/', lines, { method: 'POST', body })).status, 200)
    assert.deepEqual(forwarded.flatMap(userHeadersOf), expected)
  })
})

test('a route with both a credential and identity_headers sends both', async () => {
  await send('/both/', identity('bob'))
  const headers = forwarded.flatMap(userHeadersOf)
  assert.match(headers.at(-1)!, /^authorization: Basic Ym9i/i)
  assert.deepEqual(headers.slice(0, -1), ['Remote-User: bob', 'Remote-Groups: dev', 'Remote-Email: bob@example.com'])
})

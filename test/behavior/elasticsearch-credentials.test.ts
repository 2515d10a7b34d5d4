import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as sendHttp } from 'node:http'
import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { after, describe, test } from 'node:test'
import type { Gateway, GatewayOptions } from '../support/gateway.ts'
import { openRaw } from '../support/raw-http.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { startRawUpstream, startUpstream } from '../support/upstream.ts'
import { switchingProtocols } from '../support/web-socket.ts'
import { createFixture, serviceAccount } from './fixture.ts'

const hoursLater = new URL('../support/hours-later.ts', import.meta.url).href
const base64 = (text: string) => Buffer.from(text).toString('base64')
const keyOf = (id: string) => `ApiKey ${base64(`${id}:secret-of-${id}`)}`
const tokenOf = (name: string) =>
  `Bearer ${base64(`\0\x01\0\x01elastic/fleet-server/${name}:secret-of-${name}`).replace(/=+$/, '')}`
const passwordOf = (username: string, password: string) => `Basic ${base64(`${username}:${password}`)}`

/** A fake Elasticsearch with a key and a token, for gateways with the provider `elasticsearch` before `authelia`. */
async function createCase() {
  const accounts = {
    editor: { password: 'secret-of-editor', roles: ['editor'] },
    alice: { password: 'derived', roles: ['viewer'], metadata: { elastauth: { version: 1 } } },
  }
  const fixture = await createFixture({ accounts })
  const { elasticsearch, elasticsearchUrl } = fixture
  elasticsearch.keys.set(keyOf('beat'), { username: 'alice', id: 'beat', name: 'filebeat on host 7' })
  elasticsearch.keys.set(tokenOf('agent'), { username: 'elastic/fleet-server', name: 'agent' })
  const start = (options: GatewayOptions = {}) =>
    fixture.start({ ...options, flags: { auth_providers: 'elasticsearch,authelia', ...options.flags } })
  return {
    ...fixture,
    start,
    startProxy: (options: GatewayOptions = {}) =>
      start({
        ...options,
        flags: { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': elasticsearchUrl, ...options.flags },
      }),
    /** How many credentials of clients the fake Elasticsearch was asked about. */
    verifications: () =>
      elasticsearch.calls.filter(({ path, username }) => path === '/_security/_authenticate' && username !== 'elastic')
        .length,
    /** Without elastauth's calls to check itself and to list idle users, which may come at any time. */
    logins: () => elasticsearch.calls.filter(({ path }) => path === '/_security/_authenticate'),
  }
}

const send = (url: string, authorization: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url, { method, headers: { authorization, ...headers } })

describe('a client with its own credential in proxy mode', async () => {
  const { elasticsearch, startProxy, verifications, userCalls } = await createCase()
  const gateway = await startProxy({ flags: { log_level: 'trace', enable_metrics: 'true' } })
  const { url, logged } = gateway

  test('an API key is verified once and forwarded unchanged, and no user is read or written', async () => {
    for (let i = 0; i < 3; i++) {
      const response = await send(`${url}/idx/_search`, keyOf('beat'))
      assert.deepEqual([response.status, ((await response.json()) as { user: string }).user], [200, 'alice'])
    }
    assert.equal(verifications(), 1)
    assert.equal(userCalls(), 0)
    assert.equal(elasticsearch.counters.writes, 0)
  })

  test('a service account token is forwarded', async () => {
    const response = await send(`${url}/idx/_search`, tokenOf('agent'))
    assert.equal(((await response.json()) as { user: string }).user, 'elastic/fleet-server')
  })

  test('the line of a request names the user, the realm and the key', async () => {
    await send(`${url}/named`, keyOf('beat'))
    const line = await logged((one) => one['url.path'] === '/named')
    assert.equal(line['user.name'], 'alice')
    assert.equal(line['elastauth.credential.realm'], '_es_api_key')
    assert.equal(line['elastauth.credential.id'], 'beat')
    assert.equal(line['elastauth.credential.name'], 'filebeat on host 7')
    await send(`${url}/unnamed`, 'Bearer x', { 'Remote-User': 'bob' })
    const other = await logged((one) => one['url.path'] === '/unnamed')
    assert.ok(!('elastauth.credential.realm' in other))
  })

  test('whoami describes the key', async () => {
    const response = await send(`${url}/elastauth/whoami`, keyOf('beat'))
    assert.deepEqual(await response.json(), {
      username: 'alice',
      groups: [],
      provider: 'elasticsearch',
      credential: { realm: '_es_api_key', id: 'beat', name: 'filebeat on host 7' },
      roles: [],
    })
  })

  test('the calls are counted as client_authenticate', async () => {
    const metrics = await (await fetch(`${url}/elastauth/metrics`)).text()
    assert.match(metrics, /elastauth_elasticsearch_requests_total\{operation="client_authenticate",result="ok"\} [1-9]/)
  })

  test('a key that Elasticsearch rejects gets 401, although the request has another identity', async () => {
    const response = await send(`${url}/idx/_search`, keyOf('invented'), { 'Remote-User': 'bob' })
    assert.equal(response.status, 401)
    assert.equal(((await response.json()) as { error: string }).error, 'credential_invalid')
  })

  test('an unknown bearer token is never sent to Elasticsearch, and the next provider decides', async () => {
    const before = verifications()
    assert.equal((await send(`${url}/idx/_search`, 'Bearer eyJ.e30.x')).status, 401)
    const response = await send(`${url}/idx/_search`, 'Bearer eyJ.e30.x', { 'Remote-User': 'bob' })
    assert.equal(((await response.json()) as { user: string }).user, 'bob')
    assert.equal(verifications(), before)
  })

  test('two Authorization lines get 400, whatever they contain', async () => {
    for (const lines of [
      [keyOf('beat'), keyOf('beat')],
      [keyOf('beat'), 'Bearer x'],
    ]) {
      const connection = openRaw(url)
      connection.sendLines('GET /idx HTTP/1.1', 'Host: x', ...lines.map((line) => `Authorization: ${line}`), '')
      const { status, body } = await connection.readResponse()
      assert.deepEqual([status, JSON.parse(body).error], [400, 'identity_invalid'])
      connection.socket.destroy()
    }
  })

  test('a 401 of the upstream is passed on, and the key is not replaced by the credential of its owner', async () => {
    const revoked = keyOf('revoked')
    elasticsearch.keys.set(revoked, { username: 'carol', id: 'revoked', name: 'revoked' })
    assert.equal((await send(`${url}/idx`, revoked)).status, 200)
    elasticsearch.keys.delete(revoked)
    assert.equal((await fetch(`${url}/idx`, { headers: { 'Remote-User': 'carol' } })).status, 200)
    assert.equal((await send(`${url}/idx`, revoked)).status, 401)
  })

  test('after client_timeout, a client that does not read 401 responses is disconnected', async () => {
    const denying = await startUpstream((_, response) => response.writeHead(401).end('x'.repeat(60_000)))
    const flags = { 'proxy.elasticsearch_url': denying.url, 'proxy.client_timeout': '500ms' }
    const impatient = await startProxy({ flags })
    const connection = openRaw(impatient.url)
    connection.socket.pause()
    let message = ''
    for (let i = 0; !message.includes(' 499 '); i++) {
      connection.sendLines(`GET /${i} HTTP/1.1`, 'Host: es', `Authorization: ${keyOf('beat')}`, '')
      const line = await impatient.logged((one) => one['url.path'] === `/${i}`)
      message = line.message!
    }
    assert.match(message, / 499 the client read nothing of the response for 500 ms$/)
    connection.socket.destroy()
  })

  test('neither the log nor the metrics contain a credential', async () => {
    await logged((one) => one['url.path'] === '/named')
    const metrics = await (await fetch(`${url}/elastauth/metrics`)).text()
    for (const text of [gateway.output(), metrics]) {
      for (const credential of [keyOf('beat'), keyOf('invented'), tokenOf('agent')]) {
        const encoded = credential.split(' ')[1]!
        assert.ok(!text.includes(encoded))
        assert.ok(!text.includes(Buffer.from(encoded, 'base64').toString().split(':')[1]!))
      }
    }
  })
})

describe('routes, upgrades and HTTP/2 with a client that has its own credential', async () => {
  const forwarded: string[][] = []
  const upstream = await startUpstream((request, response) => {
    forwarded.push(request.rawHeaders)
    response.end()
  })
  const webSockets = await startRawUpstream((socket) => socket.write(switchingProtocols))
  const { startProxy } = await createCase()
  const routes = [
    { path: '/open', upstreams: [upstream.url], auth: 'none' },
    { path: '/named', upstreams: [upstream.url], identity_headers: true },
    { path: '/nameless', upstreams: [upstream.url], credential: 'none' },
    { path: '/ws', upstreams: [webSockets.url] },
    { upstreams: [upstream.url] },
  ]
  const { url, logged } = await startProxy({
    flags: tlsFlags(),
    env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) },
  })
  const lines = [
    `Authorization: ${keyOf('beat')}`,
    'es-security-runas-user: elastic',
    'es-secondary-authorization: ApiKey eDp5',
  ]

  /** The values of these headers in the request that the upstream received. */
  async function receivedFor(target: string, ...names: string[]) {
    forwarded.length = 0
    const connection = openRaw(url, { ca: authority.cert })
    connection.sendLines(`GET ${target} HTTP/1.1`, 'Host: localhost', ...lines, '')
    assert.equal((await connection.readResponse()).status, 200)
    connection.socket.destroy()
    const headers = forwarded[0]!
    return names.map((name) => headers.filter((_, i) => i % 2 === 1 && headers[i - 1]!.toLowerCase() === name))
  }

  test('the upstream gets the key once, and no run-as header', async () => {
    const names = ['authorization', 'es-security-runas-user', 'es-secondary-authorization']
    assert.deepEqual(await receivedFor('/idx', ...names), [[keyOf('beat')], [], []])
  })

  test('a route with auth: none does not forward the key', async () => {
    assert.deepEqual(await receivedFor('/open', 'authorization'), [[]])
  })

  for (const path of ['/named', '/nameless']) {
    test(`a route for people, ${path}, rejects a key, which is not its owner`, async () => {
      forwarded.length = 0
      const connection = openRaw(url, { ca: authority.cert })
      connection.sendLines(`GET ${path} HTTP/1.1`, 'Host: localhost', ...lines, '')
      const { status, body } = await connection.readResponse()
      assert.equal(status, 403)
      assert.equal(JSON.parse(String(body)).error, 'not_permitted')
      assert.equal(forwarded.length, 0)
      connection.socket.destroy()
    })
  }

  test('a WebSocket is opened with the key', async () => {
    const connection = openRaw(url, { ca: authority.cert })
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: a2V5',
      'Sec-WebSocket-Version: 13',
    ]
    connection.sendLines('GET /ws HTTP/1.1', 'Host: localhost', ...upgrade, ...lines, '')
    await connection.until(/^HTTP\/1\.1 101 /)
    assert.ok(
      webSockets
        .received()
        .toLowerCase()
        .includes(`authorization: ${keyOf('beat')}`.toLowerCase()),
    )
    connection.socket.destroy()
    const line = await logged((one) => one['url.path'] === '/ws')
    assert.deepEqual([line['user.name'], line['elastauth.credential.id']], ['alice', 'beat'])
  })

  test('two authorization headers of an HTTP/2 request get 400, and one is forwarded', async () => {
    const options = { ca: authority.cert, strictSingleValueFields: false } // the types do not know the second one
    const client = connect(url, options)
    const statusFor = async (authorization: string | string[]) => {
      const stream = client.request({ ':path': '/idx', authorization } as OutgoingHttpHeaders)
      const [headers] = await once(stream.resume(), 'response')
      return headers[':status']
    }
    assert.equal(await statusFor(keyOf('beat')), 200)
    const raw = client.request([':path', '/idx', 'authorization', keyOf('beat'), 'authorization', keyOf('beat')])
    const [headers] = await once(raw.resume(), 'response')
    assert.equal(headers[':status'], 400)
    client.close()
  })
})

describe('elasticsearch_auth.basic', async () => {
  const { elasticsearch, startProxy, logins } = await createCase()
  const { url, logged, output } = await startProxy({ flags: { 'elasticsearch_auth.basic': 'true' } })
  const editor = passwordOf('editor', 'secret-of-editor')
  const errorOf = async (response: Response) => ((await response.json()) as { error: string }).error

  test('the password of an Elasticsearch user is forwarded', async () => {
    assert.equal(((await (await send(`${url}/idx`, editor)).json()) as { user: string }).user, 'editor')
  })

  test("a write of another site's page is rejected with Basic, which the browser adds, and not with an API key", async () => {
    const page = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }
    assert.equal(await errorOf(await send(`${url}/idx/_doc`, editor, page, 'POST')), 'cross_site')
    assert.equal((await send(`${url}/idx/_doc`, keyOf('beat'), page, 'POST')).status, 200)
  })

  test('the service account, reserved users and managed users are rejected, and only the latter are asked about', async () => {
    elasticsearch.calls.length = 0
    const { ELASTAUTH_ELASTICSEARCH_PASSWORD: password } = serviceAccount
    for (const username of ['elastic', 'ELASTIC', 'kibana_system'])
      assert.equal(await errorOf(await send(url, passwordOf(username, password))), 'user_reserved')
    assert.deepEqual(logins(), [])
    assert.equal(await errorOf(await send(url, passwordOf('alice', 'derived'))), 'user_reserved')
    assert.equal(logins().length, 1)
  })

  test('five wrong passwords get 401, further ones 429 without a call to Elasticsearch, and the log names the network but not the user', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.1' }
    for (let i = 0; i < 5; i++)
      assert.equal((await send(`${url}/idx`, passwordOf('tr0ub4dor', `wrong${i}`), headers)).status, 401)
    elasticsearch.calls.length = 0
    const response = await send(`${url}/idx`, passwordOf('tr0ub4dor', 'another'), headers)
    assert.equal(response.status, 429)
    assert.match(response.headers.get('retry-after')!, /^(?:300|2\d\d)$/)
    assert.equal(await errorOf(response), 'too_many_attempts')
    assert.deepEqual(logins(), [])
    const line = await logged((one) => one['event.action'] === 'guessing_limited')
    assert.equal(line['event.reason'], 'user_network')
    assert.equal(line['client.ip'], '203.0.113.1')
    assert.ok(!output().includes('tr0ub4dor'))
    assert.equal((await send(`${url}/idx`, editor, headers)).status, 200)
  })

  test('without elasticsearch_auth.basic, a password is not sent to Elasticsearch', async () => {
    const { url } = await startProxy()
    elasticsearch.calls.length = 0
    assert.equal((await send(url, editor)).status, 401)
    assert.ok(elasticsearch.calls.every(({ username }) => username === 'elastic'))
  })
})

describe('a client with its own credential in auth-only mode', async () => {
  const { start, userCalls } = await createCase()

  test("the response's Authorization is the client's own, and no user is read or written", async () => {
    const { url } = await start()
    const response = await send(url, keyOf('beat'))
    assert.equal(response.headers.get('authorization'), keyOf('beat'))
    assert.deepEqual(await response.json(), { message: 'Authentication successful', username: 'alice', groups: [] })
    assert.equal(userCalls(), 0)
  })

  test('the identity of an earlier provider decides, and a request without it may have a key', async () => {
    const { url } = await start({ flags: { auth_providers: 'authelia,elasticsearch' } })
    const both = await send(url, keyOf('beat'), { 'Remote-User': 'bob' })
    assert.match(both.headers.get('authorization') ?? '', /^Basic /)
    assert.equal((await send(url, keyOf('beat'))).headers.get('authorization'), keyOf('beat'))
  })

  test('a key from an untrusted peer is rejected', async () => {
    const { url } = await start({ flags: { trusted_proxies: '10.1.2.3' } })
    const response = await send(url, keyOf('beat'))
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('authorization'), null)
  })
})

test('known keys are accepted while Elasticsearch is down, until their time is over, and a revoked key is rejected after it', async () => {
  const { elasticsearch, elasticsearchUrl, start, verifications } = await createCase()
  const gateway = await start({ nodeArguments: ['--import', hoursLater] })
  const statusOf = async (authorization: string) => (await send(gateway.url, authorization)).status
  const advance = async (hours: number) => {
    gateway.process.kill('SIGUSR2')
    await gateway.logged(({ message }) => message === `${hours} hours later`)
  }
  assert.equal(await statusOf(keyOf('beat')), 200)
  await elasticsearch.close()
  assert.equal(await statusOf(keyOf('beat')), 200)
  assert.equal(await statusOf(tokenOf('agent')), 503)
  await advance(7)
  assert.equal(await statusOf(keyOf('beat')), 503)
  await elasticsearch.listen(Number(new URL(elasticsearchUrl).port))
  assert.equal(await statusOf(keyOf('beat')), 200)
  elasticsearch.keys.delete(keyOf('beat'))
  const before = verifications()
  assert.equal(await statusOf(keyOf('beat')), 200)
  assert.equal(verifications(), before)
  await advance(14)
  assert.equal(await statusOf(keyOf('beat')), 401)
})

test('10,000 invented keys cause four calls to Elasticsearch at a time, and neither a known key nor a user waits for them', async () => {
  const { elasticsearch, start, verifications } = await createCase()
  const gateway = await start({ flags: { 'elasticsearch.timeout': '1h', shutdown_timeout: '0s' } })
  assert.equal((await send(gateway.url, keyOf('beat'))).status, 200)
  Object.assign(elasticsearch.faults, {
    response: 'hang',
    concerns: ({ path, username }: { path: string; username?: string }) =>
      path === '/_security/_authenticate' && username === undefined,
  })
  const before = verifications()
  const statuses = await flood(gateway, 10_000, 104)
  assert.deepEqual(statuses.counts, { 503: 10_000 - 104 })
  assert.equal(verifications() - before, 4)
  assert.equal((await send(gateway.url, keyOf('beat'))).status, 200)
  assert.equal((await fetch(gateway.url, { headers: { 'Remote-User': 'newcomer' } })).status, 200)
  statuses.abort()
})

/** Sends requests with invented keys, and resolves as soon as all but `pending` of them have a response. */
async function flood({ url }: Gateway, count: number, pending: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  after(() => agent.destroy())
  const counts: Record<number, number> = {}
  const done = Promise.withResolvers<void>()
  let left = count - pending
  for (let i = 0; i < count; i++) {
    const request = sendHttp(url, { agent, headers: { authorization: keyOf(`invented-${i}`) } }, (response) => {
      counts[response.statusCode!] = (counts[response.statusCode!] ?? 0) + 1
      response.resume().on('end', () => {
        left--
        if (left === 0) done.resolve()
      })
    })
    request.on('error', () => {}).end()
  }
  await done.promise
  return { counts: { ...counts }, abort: () => agent.destroy() }
}

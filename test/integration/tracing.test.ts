import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createFixture, serviceAccount } from '../behavior/fixture.ts'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp/receiver.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'

const skip = skipWithoutRedis()

/** Each span as `parent > child`. */
function edgesOf(spans: readonly ReceivedSpan[]): string[] {
  const nameOf = (id: string) => spans.find(({ spanId }) => spanId === id)?.name
  return spans.map(({ name, parentId }) => `${parentId === '' ? 'none' : nameOf(parentId)} > ${name}`).sort()
}

describe('the traces of a gateway with Redis, a provider and an upstream', { skip }, async () => {
  if (skip) return
  const receiver = await startOtlpReceiver()
  const redis = await startRedis()
  after(() => redis.stop())
  const { elasticsearchUrl, start } = await createFixture()
  const { idp, app, appRequests, startProxy: startOidcProxy } = await createOidcTestBed()
  const flags = {
    enableOtel: 'true',
    'cache.type': 'redis',
    'cache.redis_host': redis.address,
    'cache.redis_timeout': '10s',
    'elasticsearch.timeout': '30s',
  }
  const gateway = await startOidcProxy(
    {
      ...flags,
      'oidc.token_validation': 'userinfo',
      'oidc.timeout': '30s',
      'elasticsearch.dry_run': 'false',
      'elasticsearch.hosts': elasticsearchUrl,
    },
    { ...receiver.env, ...serviceAccount, OTEL_BSP_MAX_QUEUE_SIZE: '10000' },
  )
  const responder = await start({ flags, env: { ...receiver.env, OTEL_BSP_MAX_QUEUE_SIZE: '10000' } })
  /** Not bob: the last test looks for the name among random ids, in which three characters occur by chance. */
  const newcomer = 'benedict'
  idp.accounts.set(newcomer, { preferred_username: newcomer, groups: ['staff'] })

  async function traceOf(path: string): Promise<ReceivedSpan[]> {
    const { traceId } = await receiver.received(
      ({ kind, attributes }) => kind === 'server' && attributes['url.path'] === path,
    )
    return receiver.spans.filter((span) => span.traceId === traceId)
  }

  test('the trace of a callback has the requests to the provider and the session in Redis, with the URL of the provider without secrets', async () => {
    await createUserAgent().visit(`${gateway.url}/app/home`, 'alice')
    const spans = await traceOf('/elastauth/callback')
    const edges = edgesOf(spans)
    for (const edge of [
      'none > GET /elastauth/callback',
      'GET /elastauth/callback > POST',
      'GET /elastauth/callback > session_write',
    ])
      assert.ok(edges.includes(edge), `${edge} is not in ${edges}`)
    const post = spans.find(({ name }) => name === 'POST')!
    const { hostname, port } = new URL(idp.issuer)
    assert.deepEqual(post.attributes, {
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': hostname,
      'server.port': Number(port),
      'url.full': `${idp.issuer}/token`,
    })
  })

  test('the trace of a new user in proxy mode has a span for each call of each service, and the upstream continues its trace', async () => {
    const { access_token } = await idp.tokensFor(newcomer)
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const headers = { Authorization: `Bearer ${access_token}`, traceparent, tracestate: 'vendor=1' }
    const response = await fetch(`${gateway.url}/app/tree?token=hunter2`, { headers })
    assert.equal(response.status, 200)
    const spans = await traceOf('/app/tree')
    const edges = edgesOf(spans.map((span) => (span.kind === 'server' ? { ...span, parentId: '' } : span)))
    for (const edge of [
      'none > GET',
      'GET > GET', // the upstream
      'GET > authenticate',
      'authenticate > GET', // the provider
      'authenticate > acquire_lock',
      'authenticate > read',
      'authenticate > release_lock',
      'authenticate > user_read',
      'authenticate > user_write',
    ])
      assert.ok(edges.includes(edge), `${edge} is not in ${edges}`)
    const request = spans.find(({ kind }) => kind === 'server')!
    assert.equal(request.traceId, '0af7651916cd43dd8448eb211c80319c')
    const upstream = spans.find(({ attributes }) => attributes['url.full'] === `${app.url}/app/tree`)!
    assert.deepEqual([upstream.kind, upstream.parentId], ['client', request.spanId])
    const received = appRequests.find(({ url }) => url?.startsWith('/app/tree'))!
    assert.deepEqual(received.headersDistinct.traceparent, [`00-${request.traceId}-${upstream.spanId}-01`])
    assert.deepEqual(received.headersDistinct.tracestate, ['vendor=1'])
  })

  test('the trace of a cached request in proxy mode has only the spans of its authentication and of the upstream', async () => {
    const { access_token } = await idp.tokensFor(newcomer)
    const headers = { Authorization: `Bearer ${access_token}` }
    await fetch(`${gateway.url}/app/warm`, { headers })
    await fetch(`${gateway.url}/app/cached`, { headers })
    assert.deepEqual(edgesOf(await traceOf('/app/cached')), ['GET > GET', 'GET > authenticate', 'none > GET'])
  })

  test('the traces of 120 concurrent requests in proxy mode have their own spans only', async () => {
    const users = Array.from({ length: 120 }, (_, i) => `user-${i}`)
    const tokens = new Map<string, string>()
    for (const user of users) {
      idp.accounts.set(user, { preferred_username: user, groups: ['staff'], email: `${user}@example.com` })
      tokens.set(user, (await idp.tokensFor(user)).access_token)
    }
    const statuses = await Promise.all(
      users.map(async (user) => {
        const headers = { Authorization: `Bearer ${tokens.get(user)}` }
        return (await fetch(`${gateway.url}/app/${user}`, { headers })).status
      }),
    )
    assert.deepEqual(new Set(statuses), new Set([200]))
    for (const user of users) {
      const spans = await traceOf(`/app/${user}`)
      const ids = new Set(spans.map(({ spanId }) => spanId))
      const [request, ...others] = spans.filter(({ kind }) => kind === 'server')
      assert.equal(others.length, 0)
      for (const { parentId, kind } of spans) assert.ok(kind === 'server' ? parentId === '' : ids.has(parentId))
      const urls = spans
        .map(({ attributes }) => attributes['url.full'])
        .filter((url) => String(url).startsWith(app.url))
      assert.deepEqual(urls, [`${app.url}/app/${user}`])
      assert.deepEqual(countOf(spans), { authenticate: 1, userinfo: 1, user_read: 1, user_write: 1 }, request!.traceId)
    }
  })

  test('the traces of 120 concurrent requests in auth-only mode have their own spans only', async () => {
    const users = Array.from({ length: 120 }, (_, i) => `person-${i}`)
    const statuses = await Promise.all(
      users.map(async (user) => {
        const headers = { 'Remote-User': user, 'X-Forwarded-Uri': `/${user}` }
        return (await fetch(responder.url, { headers })).status
      }),
    )
    assert.deepEqual(new Set(statuses), new Set([200]))
    for (const user of users) {
      const spans = await traceOf(`/${user}`)
      const ids = new Set(spans.map(({ spanId }) => spanId))
      for (const { parentId, kind } of spans) assert.ok(kind === 'server' ? parentId === '' : ids.has(parentId))
      assert.deepEqual(countOf(spans), { authenticate: 1, userinfo: 0, user_read: 1, user_write: 1 })
    }
  })

  test('concurrent requests of one user share the calls to Elasticsearch, which are in the trace of one of them', async () => {
    const paths = Array.from({ length: 20 }, (_, i) => `/shared/${i}`)
    await Promise.all(
      paths.map((path) => fetch(responder.url, { headers: { 'Remote-User': 'shared', 'X-Forwarded-Uri': path } })),
    )
    const traces = await Promise.all(paths.map(traceOf))
    assert.equal(traces.flat().filter(({ name }) => name === 'user_write').length, 1)
    for (const spans of traces) assert.equal(spans.filter(({ name }) => name === 'authenticate').length, 1)
  })

  test('traces contain no secret: no token, code, state, cookie, password, username or query', async () => {
    await traceOf('/elastauth/callback')
    const exported = receiver.bytes().toString('latin1')
    const secrets = ['hunter2', 'code=', 'state=', idp.clientSecret, 'changeme', 'alice', newcomer, '__Host-']
    for (const secret of secrets) assert.ok(!exported.includes(secret), secret)
  })
})

function countOf(spans: readonly ReceivedSpan[]) {
  const count = (accepts: (span: ReceivedSpan) => boolean) => spans.filter(accepts).length
  const named = (name: string) => count((span) => span.name === name)
  return {
    authenticate: named('authenticate'),
    userinfo: count(({ attributes }) => String(attributes['url.full']).endsWith('/me')),
    user_read: named('user_read'),
    user_write: named('user_write'),
  }
}

describe('the trace of a WebSocket', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startRawUpstream((socket) => socket.write(switchingProtocols))
  const gateway = await startProxy(upstream.url, { flags: { enableOtel: 'true' }, env: receiver.env })

  test('the trace of a WebSocket ends with the handshake, and the upstream continues it', async () => {
    const connection = requestWebSocket(gateway, '/ws')
    const request = await receiver.received(({ kind }) => kind === 'server')
    assert.equal(connection.socket.destroyed, false, 'the tunnel is still open')
    assert.deepEqual([request.attributes['url.path'], request.attributes['http.response.status_code']], ['/ws', 101])
    const child = await receiver.received(({ attributes }) => attributes['url.full'] === `${upstream.url}/ws`)
    assert.deepEqual([child.parentId, child.attributes['http.response.status_code']], [request.spanId, 101])
    assert.match(upstream.received(), new RegExp(`^traceparent: 00-${request.traceId}-${child.spanId}-01\\r$`, 'im'))
    connection.socket.destroy()
    await gateway.logged((line) => line['url.path'] === '/ws')
  })

  test('the spans of a WebSocket have the status error if the upstream cannot be reached', async () => {
    const nowhere = await startProxy('http://127.0.0.1:9', { flags: { enableOtel: 'true' }, env: receiver.env })
    const connection = requestWebSocket(nowhere, '/nowhere')
    await connection.closed
    const request = await receiver.received(({ attributes }) => attributes['url.path'] === '/nowhere')
    const child = await receiver.received(({ kind, parentId }) => kind === 'client' && parentId === request.spanId)
    for (const { status } of [request, child]) assert.equal(status, 'error')
    assert.equal(request.attributes['http.response.status_code'], 502)
  })
})

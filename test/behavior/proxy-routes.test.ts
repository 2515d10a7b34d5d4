import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import { findFreePort } from '../support/port.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream, userOf } from '../support/upstream.ts'

const startNamed = (name: string) =>
  startUpstream((request, response) => {
    const { url, headers } = request
    const body = { name, url, user: userOf(headers.authorization) || null, scope: headers['x-scope'] ?? null }
    response.end(JSON.stringify(body))
  })
const [elasticsearch, kibana, open, based] = await Promise.all(
  ['elasticsearch', 'kibana', 'open', 'based'].map(startNamed),
)

const routes = [
  { path: '/kibana', upstreams: [kibana!.url], strip_path: true, headers: { 'X-Scope': 'route' } },
  { path: '/public', upstreams: [open!.url], auth: 'none' },
  { path: '/public/admin', upstreams: [open!.url] },
  { host: 'based.example.com', upstreams: [`${based!.url}/base/`] },
]
const gateway = await startProxy(elasticsearch!.url, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })

async function send(host: string, target: string, user: string | undefined = 'bob') {
  const connection = openRaw(portOf(gateway))
  const identity = user === undefined ? [] : [`Remote-User: ${user}`]
  connection.send(
    [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...identity, 'X-Scope: client', 'Connection: close', '', ''].join(
      '\r\n',
    ),
  )
  const [head = '', body = ''] = (await connection.closed).split('\r\n\r\n')
  const json = /\{.*\}/.exec(body)?.[0]
  return { status: Number(head.split(' ')[1]), ...(json && JSON.parse(json)) }
}

describe('a request that would change the password of a user', () => {
  const targets = [
    '/_security/user/_password',
    '/_security/user/bob/_password/?pretty',
    '/kibana/internal/security/users/bob/password',
    '/kibana/s/team/api/console/proxy?method=POST&path=_security%2Fuser%2F_password',
  ]

  test('rejects a password change with 403 and a log line that names the user, without forwarding it', async () => {
    for (const target of targets) {
      const { status, error, name } = await send('es', target)
      assert.deepEqual([status, error, name], [403, 'password_change_denied', undefined], target)
    }
    const line = await gateway.logged((one) => one['error.code'] === 'password_change_denied')
    assert.deepEqual([line['user.name'], line['log.level']], ['bob', 'warn'])
  })

  test('rejects a password change without an identity with 401', async () => {
    for (const target of targets) assert.equal((await send('es', target, '')).status, 401)
  })

  test('forwards a password change on a route with auth: none, because the request carries no credential', async () => {
    const target = '/public/_security/user/_password'
    assert.deepEqual(await send('es', target), { status: 200, name: 'open', url: target, user: null, scope: 'client' })
  })
})

describe('one gateway for Kibana and Elasticsearch', () => {
  test("strips a route's path, and overrides the client's header with the route's header", async () => {
    const expected = { status: 200, name: 'kibana', url: '/app//x?y=%2F', user: 'bob', scope: 'route' }
    assert.deepEqual(await send('es', '/kibana/app//x?y=%2F'), expected)
  })

  test(`finds a route by host, and forwards below the path in the upstream's URL`, async () => {
    const expected = { status: 200, name: 'based', url: '/base/x', user: 'bob', scope: 'client' }
    assert.deepEqual(await send('Based.example.com:5000', '/x'), expected)
  })

  test('forwards requests without a route to elasticsearch_url', async () => {
    assert.equal((await send('es', '/kibanana')).name, 'elasticsearch')
  })

  test('forwards no credential on a route with auth: none', async () => {
    assert.deepEqual(await send('es', '/public/x', ''), {
      status: 200,
      name: 'open',
      url: '/public/x',
      user: null,
      scope: 'client',
    })
  })

  test("a path that the upstream decodes to a protected path requires the protected path's login", async () => {
    for (const path of ['/public/%61dmin/x', '/public/ADMIN/x', '/public/a/..%3b/admin'])
      assert.equal((await send('es', path, '')).status, 401, path)
  })

  test('a host with a trailing dot (an absolute name) uses the route of the host without the dot', async () => {
    assert.equal((await send('based.example.com.', '/x', '')).status, 401)
    assert.equal((await send('based.example.com.', '/x')).name, 'based')
  })

  test("responds to TRACE with 405, so that no upstream can reveal elastauth's credential", async () => {
    const connection = openRaw(portOf(gateway))
    connection.send('TRACE / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1.1 405 [\s\S]*\r\nAllow: GET, HEAD/)
  })

  test('a path with dot segments or duplicate slashes below a route with auth: none gets 401 (path traversal)', async () => {
    for (const target of ['/public/../_search', '/public/%2e%2e/_search', '/public//_search']) {
      assert.equal((await send('es', target, '')).status, 401)
    }
  })

  test("serves elastauth's own endpoints instead of forwarding requests for them", async () => {
    assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  })
})

describe('several upstreams', () => {
  test('fails over from an unreachable upstream, even with a body, and returns to it when it recovers', async () => {
    const server = createServer((_request, response) => response.end('back'))
    const port = await findFreePort()
    const other = await startUpstream(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.end(body)
    })
    const routes = [{ upstreams: [`http://127.0.0.1:${port}`, other.url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    const post = () =>
      fetch(proxy.url, { method: 'POST', body: 'hello', headers: { 'Remote-User': 'bob' } }).then((r) => r.text())
    for (let i = 0; i < 10; i++) assert.equal(await post(), 'hello')
    await proxy.logged(({ message }) => message === `upstream http://127.0.0.1:${port} cannot be reached`)

    server.listen(port, '127.0.0.1')
    after(() => server.close())
    await proxy.logged(({ message }) => message === `upstream http://127.0.0.1:${port} is reachable again`)
    const bodies = await Promise.all(Array.from({ length: 4 }, post))
    assert.ok(bodies.includes('back'))
    server.closeAllConnections()
  })

  test('forwards to the upstream with the fewest requests in flight', async () => {
    const finishSlow: (() => void)[] = []
    const { promise: slowRequested, resolve } = Promise.withResolvers<void>()
    const slow = await startUpstream(({ url }, response) => {
      if (url !== '/balanced') return void response.end() // a health check
      finishSlow.push(() => response.end('slow'))
      resolve()
    })
    const quick = await startUpstream((_request, response) => response.end('quick'))
    const routes = [{ upstreams: [slow.url, quick.url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    const request = () => fetch(`${proxy.url}/balanced`, { headers: { 'Remote-User': 'bob' } }).then((r) => r.text())
    const pending: Promise<string>[] = []
    while (finishSlow.length === 0) {
      const body = request()
      pending.push(body)
      await Promise.race([body, slowRequested])
    }
    for (let i = 0; i < 10; i++) assert.equal(await request(), 'quick')
    for (const finish of finishSlow) finish()
    assert.ok((await Promise.all(pending)).includes('slow'))
  })

  test('does not send a request to a second upstream if the first upstream may have received the request', async () => {
    let count = 0
    const startClosing = () =>
      startUpstream((request) => {
        if (request.url === '/once') count++
        request.socket.destroy()
      })
    const routes = [{ upstreams: [(await startClosing()).url, (await startClosing()).url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })
    assert.equal((await fetch(`${proxy.url}/once`, { headers: { 'Remote-User': 'bob' } })).status, 502)
    assert.equal(count, 1)
  })
})

test('responds with 404 if no route matches', async () => {
  const proxy = await startProxy(undefined, {
    env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify([{ path: '/x', upstreams: [kibana!.url] }]) },
  })
  assert.equal((await fetch(`${proxy.url}/y`, { headers: { 'Remote-User': 'bob' } })).status, 404)
})

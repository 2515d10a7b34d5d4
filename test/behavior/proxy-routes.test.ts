import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import { findFreePort } from '../support/port.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream, userOf } from '../support/upstream.ts'

const named = (name: string) =>
  startUpstream((request, response) => {
    const { url, headers } = request
    const body = { name, url, user: userOf(headers.authorization) || null, scope: headers['x-scope'] ?? null }
    response.end(JSON.stringify(body))
  })
const [elasticsearch, kibana, open, based] = await Promise.all(['elasticsearch', 'kibana', 'open', 'based'].map(named))

const routes = [
  { path: '/kibana', upstreams: [kibana!.url], strip_path: true, headers: { 'X-Scope': 'ours' } },
  { path: '/public', upstreams: [open!.url], auth: 'none' },
  { path: '/public/admin', upstreams: [open!.url] },
  { host: 'based.example.com', upstreams: [`${based!.url}/base/`] },
]
const gateway = await startProxy(elasticsearch!.url, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(routes) } })

async function ask(host: string, target: string, user: string | undefined = 'bob') {
  const connection = openRaw(portOf(gateway))
  const as = user === undefined ? [] : [`Remote-User: ${user}`]
  connection.send(
    [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...as, 'X-Scope: theirs', 'Connection: close', '', ''].join('\r\n'),
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

  test('is rejected with 403 and a log line that names the user, and does not reach an upstream', async () => {
    for (const target of targets) {
      const { status, error, name } = await ask('es', target)
      assert.deepEqual([status, error, name], [403, 'password_change_denied', undefined], target)
    }
    const line = await gateway.logged((one) => one['error.code'] === 'password_change_denied')
    assert.deepEqual([line['user.name'], line['log.level']], ['bob', 'warn'])
  })

  test('is rejected with 401 without an identity', async () => {
    for (const target of targets) assert.equal((await ask('es', target, '')).status, 401)
  })

  test('is forwarded on a route with auth: none, which has no credential', async () => {
    const target = '/public/_security/user/_password'
    assert.deepEqual(await ask('es', target), { status: 200, name: 'open', url: target, user: null, scope: 'theirs' })
  })
})

describe('one process before Kibana and Elasticsearch', () => {
  test('by path, stripped, with the route’s header in place of the client’s', async () => {
    const expected = { status: 200, name: 'kibana', url: '/app//x?y=%2F', user: 'bob', scope: 'ours' }
    assert.deepEqual(await ask('es', '/kibana/app//x?y=%2F'), expected)
  })

  test('by host, below the upstream’s own path', async () => {
    const expected = { status: 200, name: 'based', url: '/base/x', user: 'bob', scope: 'theirs' }
    assert.deepEqual(await ask('Based.example.com:5000', '/x'), expected)
  })

  test('all else goes to elasticsearch_url', async () => {
    assert.equal((await ask('es', '/kibanana')).name, 'elasticsearch')
  })

  test('a route without a login passes nobody’s credential on', async () => {
    assert.deepEqual(await ask('es', '/public/x', ''), {
      status: 200,
      name: 'open',
      url: '/public/x',
      user: null,
      scope: 'theirs',
    })
  })

  test('a path that the upstream decodes to a protected one requires the login of the protected path', async () => {
    for (const path of ['/public/%61dmin/x', '/public/ADMIN/x', '/public/a/..%3b/admin'])
      assert.equal((await ask('es', path, '')).status, 401, path)
  })

  test('a host with the trailing dot of an absolute name uses the route of that host', async () => {
    assert.equal((await ask('based.example.com.', '/x', '')).status, 401)
    assert.equal((await ask('based.example.com.', '/x')).name, 'based')
  })

  test('TRACE is answered with 405, so that no upstream can reveal our credential', async () => {
    const connection = openRaw(portOf(gateway))
    connection.send('TRACE / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
    assert.match(await connection.closed, /^HTTP\/1.1 405 [\s\S]*\r\nAllow: GET, HEAD/)
  })

  test('and does not lead anywhere else', async () => {
    for (const target of ['/public/../_search', '/public/%2e%2e/_search', '/public//_search']) {
      assert.equal((await ask('es', target, '')).status, 401)
    }
  })

  test('our own pages stay ours', async () => {
    assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  })
})

describe('several upstreams', () => {
  test('one that is down is passed over, a body and all, and comes back', async () => {
    const server = createServer((_request, response) => response.end('back'))
    const port = await findFreePort()
    const other = await startUpstream(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.end(body)
    })
    const both = [{ upstreams: [`http://127.0.0.1:${port}`, other.url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(both) } })
    const post = () =>
      fetch(proxy.url, { method: 'POST', body: 'hello', headers: { 'Remote-User': 'bob' } }).then((r) => r.text())
    for (let i = 0; i < 10; i++) assert.equal(await post(), 'hello')
    await proxy.logged(({ message }) => message === `upstream http://127.0.0.1:${port} cannot be reached`)

    server.listen(port, '127.0.0.1')
    after(() => server.close())
    await proxy.logged(({ message }) => message === `upstream http://127.0.0.1:${port} is back`)
    const answers = await Promise.all(Array.from({ length: 4 }, post))
    assert.ok(answers.includes('back'))
    server.closeAllConnections()
  })

  test('the least busy one is taken', async () => {
    const held: (() => void)[] = []
    const slow = await startUpstream((_request, response) => void held.push(() => response.end('slow')))
    const quick = await startUpstream((_request, response) => response.end('quick'))
    const both = [{ upstreams: [slow.url, quick.url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(both) } })
    const ask = () => fetch(proxy.url, { headers: { 'Remote-User': 'bob' } }).then((r) => r.text())
    const waiting: Promise<string>[] = []
    while (held.length === 0) {
      const answer = ask()
      waiting.push(answer)
      await Promise.race([answer, once(slow.server, 'request')])
    }
    for (let i = 0; i < 10; i++) assert.equal(await ask(), 'quick')
    for (const end of held) end()
    assert.ok((await Promise.all(waiting)).includes('slow'))
  })

  test('a request that an upstream may have seen is not sent to another', async () => {
    let count = 0
    const dying = () =>
      startUpstream((request) => {
        if (request.url === '/once') count++
        request.socket.destroy()
      })
    const both = [{ upstreams: [(await dying()).url, (await dying()).url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(both) } })
    assert.equal((await fetch(`${proxy.url}/once`, { headers: { 'Remote-User': 'bob' } })).status, 502)
    assert.equal(count, 1)
  })
})

test('no route: 404', async () => {
  const proxy = await startProxy(undefined, {
    env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify([{ path: '/x', upstreams: [kibana!.url] }]) },
  })
  assert.equal((await fetch(`${proxy.url}/y`, { headers: { 'Remote-User': 'bob' } })).status, 404)
})

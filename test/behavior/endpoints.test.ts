import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw-http.ts'
import { createFixture, sendSubRequest, serviceAccount } from './fixture.ts'

const { elasticsearch, elasticsearchUrl, start } = await createFixture()
const proxySecret = 'a-proxy-secret-for-this-test'
const [plain, full] = await Promise.all([
  start(),
  start({
    flags: { enable_metrics: 'true', admin_roles: 'editor', trusted_proxies: '127.0.0.1' },
    env: {
      ELASTAUTH_GROUP_MAPPINGS: '{"admins":["editor"]}',
      ELASTAUTH_PROXY_SECRET: proxySecret,
      ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
    },
  }),
])
const get = (name: string, headers: Record<string, string> = {}, { url } = plain) =>
  fetch(`${url}/elastauth/${name}`, { headers })
const viaProxy = { 'X-Forwarded-For': '203.0.113.7', 'X-Elastauth-Proxy-Secret': proxySecret }

test('/elastauth/health and /elastauth/live respond without a request to Elasticsearch', async () => {
  for (const { logged } of [plain, full])
    await logged(({ message = '' }) => message.startsWith('connected to Elasticsearch'))
  const requests = elasticsearch.counters.requests
  for (const name of ['health', 'live']) {
    const response = await get(name)
    assert.deepEqual([response.status, response.headers.get('cache-control')], [200, 'no-store'])
    const { status, version } = (await response.json()) as Record<string, string>
    assert.equal(status, 'ok')
    assert.match(version!, /^\d+\.\d+\.\d+/)
  }
  assert.equal(elasticsearch.counters.requests, requests)
})

test('/elastauth/ready responds with 200 while Elasticsearch is up, and with 503 that names Elasticsearch but not the reason while it is down', async (context) => {
  context.after(() => {
    elasticsearch.faults.response = 'normal'
  })
  const up = await get('ready', {}, full)
  assert.equal(up.status, 200)
  assert.deepEqual(await up.json(), {
    status: 'ready',
    components: { elasticsearch: 'up', 'privilege manage_security': 'up' },
  })
  elasticsearch.faults.response = 'unavailable'
  const down = await get('ready')
  assert.equal(down.status, 503)
  assert.deepEqual(await down.json(), {
    status: 'unavailable',
    components: { elasticsearch: 'down', 'privilege manage_security': 'unknown' },
  })
  await plain.logged(({ message = '' }) => /elasticsearch is down: .*503/.test(message))
  assert.equal((await get('health')).status, 200)
})

test('the metrics endpoint responds with 404 by default', async () => {
  assert.equal((await get('metrics')).status, 404)
})

test('metrics are in the Prometheus text format and have the documented names', async () => {
  await sendSubRequest(full.url, 'bob', viaProxy)
  await sendSubRequest(full.url, 'bob', viaProxy)
  await fetch(full.url)
  const response = await get('metrics', {}, full)
  assert.match(response.headers.get('content-type')!, /^text\/plain; version=/)
  const text = await response.text()
  const expected = [
    /^elastauth_requests_total\{method="GET",status="200"\} \d+$/m,
    /^elastauth_requests_total\{method="GET",status="401"\} 1$/m,
    /^elastauth_request_duration_seconds_bucket\{le="0.005"\} \d+$/m,
    /^elastauth_request_duration_seconds_count \d+$/m,
    /^elastauth_active_requests 1$/m,
    /^elastauth_authentication_total\{result="success"\} 2$/m,
    /^elastauth_authentication_total\{result="failure"\} 1$/m,
    /^elastauth_cache_hits_total\{result="hit"\} 1$/m,
    /^elastauth_cache_hits_total\{result="miss"\} 1$/m,
    /^elastauth_errors_total\{error_type="identity_missing"\} 1$/m,
    /^elastauth_elasticsearch_requests_total\{operation="user_read",result="ok"\} [1-9]\d*$/m, // the sweep, 30 s after the start, also reads users
    /^elastauth_elasticsearch_requests_total\{operation="user_write",result="ok"\} 1$/m,
    /^elastauth_user_writes_total\{reason="created"\} 1$/m,
  ]
  for (const line of expected) assert.match(text, line)
  assert.doesNotMatch(text, /bob/)
})

test('an unknown method does not become a label of the metrics', async () => {
  await exchange(full.url, ['QUERY / HTTP/1.1', 'Host: elastauth'])
  const text = await (await get('metrics', {}, full)).text()
  const methods = new Set([...text.matchAll(/^elastauth_requests_total\{method="([^"]*)"/gm)].map(([, name]) => name))
  assert.ok(methods.size <= 10, [...methods].join())
})

test('/elastauth/config is shown to requests from this machine, with every secret masked', async () => {
  const response = await get('config', {}, full)
  assert.equal(response.status, 200)
  const text = await response.text()
  assert.equal(JSON.parse(text).elasticsearch.username, 'elastic')
  assert.doesNotMatch(text, /5eed0f7e57|changeme|a-proxy-secret/)
})

test('/elastauth/config is shown through a proxy only to a user with one of admin_roles', async () => {
  for (const name of ['X-Forwarded-For', 'x-forwarded-proto', 'Forwarded', 'Via', 'X-Real-IP']) {
    assert.equal((await get('config', { [name]: '127.0.0.1' })).status, 403, name)
  }
  const as = (groups: string) => get('config', { ...viaProxy, 'Remote-User': 'ann', 'Remote-Groups': groups }, full)
  assert.equal((await as('admins')).status, 200)
  assert.equal((await as('readers')).status, 403)
  assert.equal((await get('config', viaProxy, full)).status, 401)
})

test('/elastauth/config is not shown through an nginx with only proxy_pass, which sends its own Host over HTTP/1.0', async () => {
  for (const [version, status] of [
    ['1.0', 403],
    ['1.1', 200],
  ] as const) {
    const lines = [`GET /elastauth/config HTTP/${version}`, `Host: ${new URL(plain.url).host}`, 'Connection: close']
    assert.equal((await exchange(plain.url, lines)).status, status, version)
  }
})

test("/elastauth/whoami returns the caller's identity and roles, and no credential", async () => {
  const response = await get('whoami', { 'Remote-User': 'ann', 'Remote-Groups': 'readers' })
  assert.deepEqual(await response.json(), {
    username: 'ann',
    groups: ['readers'],
    provider: 'authelia',
    roles: ['viewer'],
  })
  assert.equal(response.headers.get('authorization'), null)
  assert.equal((await get('whoami')).status, 401)
})

test('/elastauth/whoami shows a user without roles the groups and why access is denied, and the log line of the 403 names the groups', async (context) => {
  const denied = await startGateway({
    flags: { 'elasticsearch.hosts': elasticsearchUrl, enable_group_whitelist: 'true', group_whitelist: 'staff' },
    env: { ...serviceAccount, ELASTAUTH_GROUP_MAPPINGS: '{"admins":["editor"]}' },
  })
  context.after(() => denied.stop())
  for (const [groups, code, message] of [
    ['guests', 'group_denied', 'None of your groups has access to this service'],
    ['staff', 'no_roles', 'None of your groups is mapped to a role'],
  ] as const) {
    const headers = { 'Remote-User': 'ann', 'Remote-Groups': groups }
    const response = await get('whoami', headers, denied)
    assert.deepEqual(await response.json(), {
      username: 'ann',
      groups: [groups],
      provider: 'authelia',
      roles: [],
      denied: { code, message },
    })
    assert.deepEqual([response.status, response.headers.get('authorization')], [200, null])
    assert.equal((await fetch(denied.url, { headers })).status, 403)
    const line = await denied.logged((line) => line['error.code'] === code)
    assert.match(line.message!, new RegExp(`; the user's groups: "${groups}"$`))
  }
  assert.equal((await get('whoami', { 'Remote-User': 'a:b' }, denied)).status, 400)
  assert.equal((await get('whoami', { 'Remote-User': 'elastic' }, denied)).status, 403)
})

test('/elastauth/whoami is a page for a browser, with the identity and roles escaped, and JSON for other clients', async () => {
  const headers = { 'Remote-User': 'ann', 'Remote-Groups': 'readers,<b>', 'Remote-Email': 'ann@example.com' }
  const response = await get('whoami', { ...headers, Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
  assert.deepEqual([response.status, response.headers.get('authorization')], [200, null])
  assert.match(response.headers.get('content-security-policy')!, /^default-src 'none'/)
  const page = await response.text()
  assert.match(page, /<h1>You are signed in as ann<\/h1>/)
  assert.match(page, /<dt>Groups<\/dt><dd>readers, &lt;b&gt;<\/dd><dt>Roles<\/dt><dd>viewer<\/dd>/)
  for (const accept of ['*/*', 'application/json', 'application/json, text/html'])
    assert.match((await get('whoami', { ...headers, Accept: accept })).headers.get('content-type')!, /json/)
  assert.equal((await get('whoami', { Accept: 'text/html' })).status, 401)
})

test('/elastauth/ leads to a start page, and never responds with 2xx, so that it cannot grant access as the address for sub-requests', async () => {
  const send = (target: string, ...lines: string[]) =>
    exchange(plain.url, [`GET ${target} HTTP/1.1`, 'Host: x', ...lines])
  const { status, head } = await send('/elastauth/', 'Accept: text/html')
  assert.equal(status, 303)
  assert.match(head, /^Location: \/elastauth\/start\r?$/m)
  const page = await (await get('start')).text()
  assert.match(page, /<a href="\/">Open the service<\/a> <a href="\/elastauth\/whoami">/)
  for (const target of ['/elastauth/', '/elastauth/start'])
    for (const line of ['X-Forwarded-Uri: /', 'X-Forwarded-Method: GET', 'X-Original-URL: /'])
      assert.equal((await send(target, line, 'Remote-User: ann')).status, 403, `${target} ${line}`)
})

test('an error page shows pages.support, and the error in JSON does not', async () => {
  const gateway = await start({ flags: { 'pages.support': 'Call the help desk: 1234' } })
  const error = (accept: string) => get('nothing', { Accept: accept }, gateway).then((response) => response.text())
  assert.match(await error('text/html'), /<p>Call the help desk: 1234<\/p>/)
  assert.doesNotMatch(await error('*/*'), /help desk/)
})

test('an unknown endpoint gets 404, and a method other than GET and HEAD gets 405', async () => {
  for (const name of ['nothing', 'health/', 'Health', 'config/x', '../elastauth/nothing', '__proto__']) {
    const target = `GET /elastauth/${name} HTTP/1.1`
    assert.equal((await exchange(plain.url, [target, 'Host: e', 'Remote-User: bob'])).status, 404, name)
  }
  const posted = await fetch(`${plain.url}/elastauth/health`, { method: 'POST', body: 'x' })
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD'])
  const head = await fetch(`${plain.url}/elastauth/health`, { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text()], [200, ''])
})

test("an endpoint's path is decoded exactly once", async () => {
  const statusOf = async (target: string) => (await exchange(plain.url, [`GET ${target} HTTP/1.1`, 'Host: e'])).status
  assert.equal(await statusOf('/elastauth/%68ealth?x=/'), 200)
  assert.equal(await statusOf('/elastauth%2fhealth'), 200)
  assert.equal(await statusOf('/elastauth/%2568ealth'), 404)
})

const envoy = ['X-Envoy-Internal: true', 'Content-Length: 0']
const subRequestHeaders = [
  ['X-Forwarded-Method: GET', 'X-Forwarded-Uri: /elastauth/health'],
  ['X-Original-URL: https://kibana.example/elastauth/health'],
  ['X-Original-Method: GET'],
  envoy,
]

for (const headers of subRequestHeaders) {
  test(`a sub-request with ${headers.join(', ')} for a path below /elastauth/ is denied`, async () => {
    for (const target of ['/elastauth/health', '/%65lastauth/live?x=1', '/elastauth/ready', '/elastauth/nothing']) {
      for (const identity of [[], ['Remote-User: bob']]) {
        const { status, head } = await exchange(plain.url, [
          `GET ${target} HTTP/1.1`,
          'Host: kibana.example',
          ...headers,
          ...identity,
        ])
        assert.ok(status === 403 || status === 404, `${target}: ${status}`)
        assert.doesNotMatch(head, /^authorization:/im)
      }
    }
  })
}

test('a request with only one of the two headers that mark an Envoy sub-request is not rejected', async () => {
  for (const header of envoy)
    assert.equal((await exchange(plain.url, ['GET /elastauth/health HTTP/1.1', 'Host: elastauth', header])).status, 200)
})

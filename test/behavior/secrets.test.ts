import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { authorize } from '../support/gateway.ts'
import { exchange } from '../support/raw-http.ts'
import { parseBasic } from './credential.ts'
import { createFixture } from './fixture.ts'

const secrets = {
  key: 'a11ce'.padEnd(64, '0123456789abcdef'),
  previousKey: 'b0b5'.padEnd(64, 'fedcba9876543210'),
  proxySecret: 'proxy-secret-0815-0815',
  servicePassword: 'service-password-4711',
  clientAuthorization: Buffer.from('visitor:client-password-99').toString('base64'),
  bearer: 'eyJhbGciOiJub25lIn0.client-token.x',
  cookie: 'sid=cookie-value-1234',
  queryToken: 'query-token-5678',
  apiKey: 'api-key-9012',
  body: 'body-text-3456',
}
const { elasticsearch, start } = await createFixture({ password: secrets.servicePassword })
const gateway = await start({
  flags: { log_level: 'trace', enable_metrics: 'true', 'elasticsearch.timeout': '1s', 'cache.revalidate': '1s' },
  env: {
    ELASTAUTH_SECRET_KEY: secrets.key,
    ELASTAUTH_PREVIOUS_SECRET_KEYS: secrets.previousKey,
    ELASTAUTH_PROXY_SECRET: secrets.proxySecret,
    ELASTAUTH_ELASTICSEARCH_PASSWORD: secrets.servicePassword,
  },
})
const issuedCredentials = new Set<string>()
const bodies: string[] = []

const length = `Content-Length: ${secrets.body.length}`
const fromProxy = `X-Elastauth-Proxy-Secret: ${secrets.proxySecret}`
const secretHeaders = [
  `Authorization: Basic ${secrets.clientAuthorization}`,
  `Proxy-Authorization: Bearer ${secrets.bearer}`,
  `Cookie: ${secrets.cookie}`,
  `X-Api-Key: ${secrets.apiKey}`,
]
/** The headers that describe the original request in a sub-request. Requests for pages do not have them. */
const forwardedHeaders = [
  `X-Forwarded-Uri: /forwarded?token=${secrets.queryToken}#${secrets.queryToken}`,
  `X-Original-URL: https://user:${secrets.queryToken}@kibana/x?${secrets.queryToken}`,
  'X-Forwarded-Host: kibana.example.com',
]

function sendSubRequest(target: string, ...lines: string[]): Promise<number> {
  return requestPage(target, ...forwardedHeaders, ...lines)
}

async function requestPage(target: string, ...lines: string[]): Promise<number> {
  const request = [
    `GET ${target}?token=${secrets.queryToken} HTTP/1.1`,
    'Host: elastauth',
    ...secretHeaders,
    length,
    ...lines,
  ]
  const { status, headers, body } = await exchange(gateway.url, request, { body: secrets.body })
  bodies.push(body, ...headers.filter(([name]) => name !== 'Authorization').flat())
  const authorization = headers.find(([name]) => name === 'Authorization')?.[1]
  if (authorization) issuedCredentials.add(authorization)
  return status
}

/** Repeats a sub-request that exceeds `elasticsearch.timeout`, as on a busy machine, but not without end. */
async function sendInTime(username: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const status = await sendSubRequest('/', fromProxy, `Remote-User: ${username}`)
    if (status !== 503 || attempt === 20) return status
  }
}

/** One success and every kind of failure, so that all code paths write their output. */
before(async () => {
  const statuses: number[] = [await sendInTime('bob')]
  const failing = [
    [],
    ['Remote-User: bob'],
    [`X-Elastauth-Proxy-Secret: ${secrets.proxySecret}x`, 'Remote-User: bob'],
    ['Remote-User: bob', 'Remote-User: bob'],
    ['Remote-User: a b'],
    ['Remote-User: elastic'],
    ['Remote-User: bob', 'Content-Length: 3', 'Transfer-Encoding: chunked'],
    ['Remote-User: bob', 'Broken line'],
    ['Remote-User: bob', 'Accept: text/html'],
    ['Remote-User: bob', `X-Large: ${'x'.repeat(100_000)}`],
  ]
  for (const lines of failing)
    statuses.push(await sendSubRequest('/', ...lines), await sendSubRequest('/', fromProxy, ...lines))
  await sleep(1000) // cache.revalidate: the background checks fail as well
  for (const failure of [
    'hang',
    'drop',
    'unauthorized',
    'unavailable',
    'too_many_requests',
    'lose_response',
  ] as const) {
    elasticsearch.faults.response = failure
    for (const name of [failure, 'bob']) statuses.push(await sendSubRequest('/', fromProxy, `Remote-User: ${name}`))
    statuses.push(await requestPage('/elastauth/ready', fromProxy))
  }
  elasticsearch.faults.response = 'normal'
  elasticsearch.faults.forbidPut = true
  statuses.push(await sendInTime('forbidden'))
  for (const page of ['config', 'metrics', 'ready', 'health', 'whoami', 'nothing']) {
    const target = `GET /elastauth/${page} HTTP/1.1`
    bodies.push((await exchange(gateway.url, [target, 'Host: localhost'])).body)
    for (const send of [sendSubRequest, requestPage])
      statuses.push(await send(`/elastauth/${page}`, fromProxy, 'Remote-User: bob'))
    statuses.push(await requestPage(`/elastauth/${page}`)) // without the proxy_secret, as a local program sends it
  }
  assert.deepEqual([...new Set(statuses)].sort(), [200, 400, 401, 403, 404, 431, 502, 503])
  assert.equal(bodies.filter((body) => body.includes('"auth_provider"')).length, 1)
  assert.equal(bodies.filter((body) => body.includes('elastauth_requests_total')).length, 2)
  assert.ok(issuedCredentials.size > 0)
  await gateway.stop()
})

function assertContainsNoSecret(text: string, description: string): void {
  for (const [name, secret] of Object.entries(secrets)) {
    for (const spelling of [
      secret,
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(secret, 'hex').toString('base64'),
    ]) {
      assert.ok(spelling.length < 10 || !text.includes(spelling), `${description}: ${name}`)
    }
  }
  const service = Buffer.from(`elastic:${secrets.servicePassword}`).toString('base64')
  assert.ok(!text.includes(service), `${description}: the service account's header`)
  for (const authorization of issuedCredentials) {
    const { username, password } = parseBasic(authorization)
    for (const part of [password, authorization.replace('Basic ', '')]) {
      assert.ok(!text.includes(part), `${description}: the credential of ${username}`)
    }
  }
  for (const { password, metadata } of elasticsearch.users.values()) {
    assert.ok(metadata._reserved || !text.includes(password), `${description}: a user's password`)
  }
}

test('the log contains no secret at any level', () => {
  assert.match(gateway.output(), /"user.name":"bob".*"message":"GET \/forwarded 200"/)
  assertContainsNoSecret(gateway.output(), 'output')
})

test('no response body, page or header except Authorization contains a secret', () => {
  for (const body of bodies) assertContainsNoSecret(body, body.slice(0, 80))
})

test('the metadata of users in Elasticsearch contains no secret', () => {
  for (const { password: _, ...kept } of elasticsearch.users.values())
    assertContainsNoSecret(JSON.stringify(kept), 'metadata')
})

test('the variable DEBUG, with which libraries write every request and its credentials, has no effect', async () => {
  const debugged = await start({ env: { DEBUG: '*', ELASTAUTH_ELASTICSEARCH_PASSWORD: secrets.servicePassword } })
  const callsBefore = elasticsearch.calls.length
  await authorize(debugged, 'debugged')
  await debugged.stop()
  assert.ok(elasticsearch.calls.length > callsBefore)
  const serviceAccount = Buffer.from(`elastic:${secrets.servicePassword}`).toString('base64')
  assert.ok(!debugged.output().includes(serviceAccount))
  assert.ok(!debugged.output().includes('Starting a new request'))
})

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { type CustomFetchOptions, tokenIntrospection } from 'openid-client'
import { createIssuer, type IssuerOptions } from '../../../../src/providers/oidc/issuer.ts'

const issuer = 'https://id.example'
const document = { issuer, jwks_uri: `${issuer}/keys`, introspection_endpoint: `${issuer}/introspect` }
const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })

function createFixture(options: Partial<IssuerOptions> = {}) {
  const fixture = {
    now: 1_000_000,
    /** By how much the wall clock was set back. */
    clockSetBackMs: 0,
    calls: [] as { url: string; options: CustomFetchOptions }[],
    problems: [] as (string | undefined)[],
    respond: (_url: string): Response | Promise<Response> => json(document),
  }
  return Object.assign(fixture, {
    issuer: createIssuer({
      issuer,
      clientId: 'kibana',
      client: { method: 'client_secret_basic', secret: 'hunter2 & more' },
      endpoints: {},
      requiredEndpoints: ['jwks_uri'],
      fetch: async (url, fetchOptions) => {
        fixture.calls.push({ url, options: fetchOptions })
        return fixture.respond(url)
      },
      now: () => fixture.now - fixture.clockSetBackMs,
      monotonicNow: () => fixture.now,
      reportProblem: (problem) => void fixture.problems.push(problem),
      ...options,
    }),
  })
}
const hourMs = 3_600_000
const runPendingCallbacks = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('concurrent callers share one discovery, and its result is used for an hour', async () => {
  const fixture = createFixture()
  const found = await Promise.all(Array.from({ length: 10 }, () => fixture.issuer.configuration()))
  fixture.now += hourMs - 1
  assert.equal(await fixture.issuer.configuration(), found[9])
  assert.deepEqual(
    fixture.calls.map(({ url }) => url),
    [`${issuer}/.well-known/openid-configuration`],
  )
})

test('discovery is retried after the back-off even if the wall clock was set back', async () => {
  const fixture = createFixture()
  const { respond } = fixture
  fixture.respond = () => json({}, 500)
  await assert.rejects(fixture.issuer.configuration())
  fixture.respond = respond
  fixture.clockSetBackMs = hourMs
  fixture.now += 1000
  assert.ok(await fixture.issuer.configuration())
})

test('setting the wall clock back creates a new Configuration with an empty key cache, but causes no discovery', async () => {
  const fixture = createFixture()
  const first = await fixture.issuer.configuration()
  fixture.clockSetBackMs = hourMs
  const second = await fixture.issuer.configuration()
  assert.notEqual(second, first)
  assert.deepEqual(second.serverMetadata(), first.serverMetadata())
  fixture.now += 1000
  assert.equal(await fixture.issuer.configuration(), second)
  assert.equal(fixture.calls.length, 1)
})

test('the metadata is refreshed in the background after an hour, and the Configuration is replaced only if it changed', async () => {
  const fixture = createFixture()
  const first = await fixture.issuer.configuration()
  fixture.now += hourMs
  assert.equal(await fixture.issuer.configuration(), first)
  await runPendingCallbacks()
  assert.equal(await fixture.issuer.configuration(), first)
  assert.equal(fixture.calls.length, 2)
  fixture.respond = () => json({ ...document, jwks_uri: `${issuer}/new` })
  fixture.now += hourMs
  await fixture.issuer.configuration()
  await runPendingCallbacks()
  assert.equal((await fixture.issuer.metadata()).jwks_uri, `${issuer}/new`)
  assert.notEqual(await fixture.issuer.configuration(), first)
})

test('the last metadata is used while the provider is down', async () => {
  const fixture = createFixture()
  const first = await fixture.issuer.configuration()
  fixture.respond = () => json({}, 503)
  for (let i = 0; i < 30; i++) {
    fixture.now += hourMs
    assert.equal(await fixture.issuer.configuration(), first)
    await runPendingCallbacks()
  }
  assert.ok(fixture.issuer.isFailing())
  assert.equal(fixture.problems.length, 1)
})

test('failed discoveries are retried with exponential back-off, and reported once', async () => {
  const fixture = createFixture()
  fixture.respond = () => Promise.reject(new TypeError('fetch failed'))
  const attempts: number[] = []
  for (let second = 0; second < 120; second++) {
    const before = fixture.calls.length
    await assert.rejects(fixture.issuer.configuration(), { code: 'provider_unavailable' })
    if (fixture.calls.length > before) attempts.push(second)
    fixture.now += 1000
  }
  assert.deepEqual(attempts, [0, 1, 3, 7, 15, 31, 61, 91])
  assert.equal(fixture.problems.length, 1)
  fixture.respond = () => json(document)
  fixture.now += 30_000
  await fixture.issuer.configuration()
  assert.deepEqual(fixture.problems.slice(1), [undefined])
})

describe('discovery rejects', () => {
  const documents: [what: string, body: unknown, reason: RegExp][] = [
    ["another issuer's document", { ...document, issuer: 'https://evil.example' }, /does not match/],
    ['a document without an issuer', { jwks_uri: `${issuer}/keys` }, /issuer/],
    ['a number for an endpoint', { ...document, token_endpoint: 5 }, /its token_endpoint is not an http/],
    ['a list for an endpoint', { ...document, jwks_uri: [`${issuer}/keys`] }, /its jwks_uri is not an http/],
    ['a script for an endpoint', { ...document, end_session_endpoint: 'javascript:alert(1)' }, /its end_session/],
    ['a path for an endpoint', { ...document, authorization_endpoint: '/authorize' }, /its authorization_endpoint/],
    ['a document without a required endpoint', { issuer }, /offers no jwks_uri/],
    ['a list instead of an object', [], /./],
  ]
  for (const [what, body, reason] of documents) {
    test(`discovery rejects ${what}`, async () => {
      const fixture = createFixture()
      fixture.respond = () => json(body)
      await assert.rejects(fixture.issuer.configuration(), { code: 'provider_unavailable', message: reason })
    })
  }

  test('discovery rejects an issuer that is a template for all tenants', async () => {
    const common = 'https://login.microsoftonline.com/common/v2.0'
    const fixture = createFixture({ issuer: common })
    fixture.respond = () => json({ ...document, issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' })
    await assert.rejects(fixture.issuer.configuration(), { code: 'provider_unavailable', message: /your tenant/ })
  })
})

describe('a wrong oidc.issuer', () => {
  const wrongRealm = 'https://id.example/realms/wrong'
  const responses: [what: string, response: Response, detail: string][] = [
    [
      'a 404 with the URL, the status and what came',
      json({ error: 'Realm does not exist' }, 404),
      `${wrongRealm}/.well-known/openid-configuration responded with status 404 and content-type application/json instead of its metadata; check oidc.issuer: it has to be the URL of your realm or tenant, as the provider spells it`,
    ],
    [
      'an HTML page with the URL, the status and what came',
      new Response('<p>', { headers: { 'content-type': 'text/html;charset=utf-8' } }),
      `${wrongRealm}/.well-known/openid-configuration responded with status 200 and content-type text/html instead of its metadata; check oidc.issuer: it has to be the URL of your realm or tenant, as the provider spells it`,
    ],
    [
      'a 500 without blaming oidc.issuer',
      new Response(null, { status: 500 }),
      `${wrongRealm}/.well-known/openid-configuration responded with status 500 and content-type none instead of its metadata; look into the provider's log`,
    ],
    [
      'the metadata of another issuer with both values and what to write',
      json({ ...document, issuer: 'https://id.example/realms/right' }),
      'the issuer does not match: the provider calls itself "https://id.example/realms/right", oidc.issuer is "https://id.example/realms/wrong"; if this is the right provider, write issuer: "https://id.example/realms/right" below oidc',
    ],
  ]
  for (const [what, response, detail] of responses) {
    test(`discovery with a wrong oidc.issuer reports ${what}`, async () => {
      const fixture = createFixture({ issuer: wrongRealm })
      fixture.respond = () => response
      await assert.rejects(fixture.issuer.configuration(), { code: 'provider_unavailable' })
      assert.deepEqual(fixture.problems, [`the identity provider (discovery): ${detail}`])
    })
  }
})

test('a configured endpoint takes precedence over a discovered endpoint', async () => {
  const fixture = createFixture({
    endpoints: { jwks_uri: 'https://keys.example' },
    requiredEndpoints: ['jwks_uri', 'introspection_endpoint'],
  })
  const { jwks_uri, introspection_endpoint } = await fixture.issuer.metadata()
  assert.deepEqual([jwks_uri, introspection_endpoint], ['https://keys.example', `${issuer}/introspect`])
})

test('discovery is skipped if all required endpoints are configured', async () => {
  const fixture = createFixture({ endpoints: { jwks_uri: 'https://keys.example' } })
  await fixture.issuer.configuration()
  fixture.now += 100 * hourMs
  assert.deepEqual(await fixture.issuer.metadata(), { issuer, jwks_uri: 'https://keys.example' })
  assert.equal(fixture.calls.length, 0)
})

describe('client_auth_method', () => {
  async function requestBy(client: IssuerOptions['client']) {
    const fixture = createFixture({ client })
    fixture.respond = (url) => (url.endsWith('/introspect') ? json({ active: false }) : json(document))
    await tokenIntrospection(await fixture.issuer.configuration(), 'the-token')
    const { headers, body } = fixture.calls.at(-1)!.options
    return { authorization: new Headers(headers).get('authorization'), body: new URLSearchParams(String(body)) }
  }

  test('client_secret_basic sends the form-encoded secret in Authorization (RFC 6749, section 2.3.1)', async () => {
    const { authorization, body } = await requestBy({ method: 'client_secret_basic', secret: 'a b&c' })
    assert.equal(atob(authorization!.replace('Basic ', '')), 'kibana:a+b%26c')
    assert.equal(body.get('client_secret'), null)
  })

  test('client_secret_post sends the secret in the body', async () => {
    const { authorization, body } = await requestBy({ method: 'client_secret_post', secret: 'a b' })
    assert.deepEqual([authorization, body.get('client_id'), body.get('client_secret')], [null, 'kibana', 'a b'])
  })

  test('client_auth_method none sends only the client ID', async () => {
    const { authorization, body } = await requestBy({ method: 'none' })
    assert.deepEqual([authorization, body.get('client_id'), body.get('client_secret')], [null, 'kibana', null])
  })

  const pem = (key: KeyObject, type: 'pkcs8' | 'sec1' | 'pkcs1') =>
    key.export({ type: type as 'pkcs8', format: 'pem' }) as string
  const keys: [alg: string, privateKey: string][] = [
    ['RS256', pem(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'pkcs1')],
    ['ES256', pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'sec1')],
    ['ES384', pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'pkcs8')],
    ['Ed25519', pem(generateKeyPairSync('ed25519').privateKey, 'pkcs8')],
  ]
  for (const [alg, privateKey] of keys) {
    test(`private_key_jwt sends an assertion that is signed with ${alg}`, async () => {
      const { authorization, body } = await requestBy({ method: 'private_key_jwt', privateKey, privateKeyId: 'k1' })
      const assertion = body.get('client_assertion')!
      assert.equal(authorization, null)
      assert.partialDeepStrictEqual(decodeProtectedHeader(assertion), { alg, kid: 'k1' })
      assert.partialDeepStrictEqual(decodeJwt(assertion), { iss: 'kibana', sub: 'kibana', aud: issuer })
    })
  }

  test('private_key_jwt rejects a key on an unsupported curve when the issuer is created', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    assert.throws(
      () => createFixture({ client: { method: 'private_key_jwt', privateKey: pem(privateKey, 'pkcs8') } }),
      /oidc.private_key/,
    )
  })
})

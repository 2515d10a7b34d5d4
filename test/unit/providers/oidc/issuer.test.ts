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

function createWorld(options: Partial<IssuerOptions> = {}) {
  const world = {
    now: 1_000_000,
    /** How far the wall clock was set back. */
    behind: 0,
    calls: [] as { url: string; options: CustomFetchOptions }[],
    reported: [] as (string | undefined)[],
    respond: (_url: string): Response | Promise<Response> => json(document),
  }
  return Object.assign(world, {
    issuer: createIssuer({
      issuer,
      clientId: 'kibana',
      client: { method: 'client_secret_basic', secret: 'hunter2 & more' },
      endpoints: {},
      requiredEndpoints: ['jwks_uri'],
      fetch: async (url, fetchOptions) => {
        world.calls.push({ url, options: fetchOptions })
        return world.respond(url)
      },
      now: () => world.now - world.behind,
      monotonicNow: () => world.now,
      reportProblem: (problem) => void world.reported.push(problem),
      ...options,
    }),
  })
}
const hour = 3_600_000
const settled = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('discovered once for many at once, the same object for an hour', async () => {
  const world = createWorld()
  const found = await Promise.all(Array.from({ length: 10 }, () => world.issuer.configuration()))
  world.now += hour - 1
  assert.equal(await world.issuer.configuration(), found[9])
  assert.deepEqual(
    world.calls.map(({ url }) => url),
    [`${issuer}/.well-known/openid-configuration`],
  )
})

test('a provider that failed is asked again after the pause even if the clock was set back', async () => {
  const world = createWorld()
  const { respond } = world
  world.respond = () => json({}, 500)
  await assert.rejects(world.issuer.configuration())
  world.respond = respond
  world.behind = hour
  world.now += 1000
  assert.ok(await world.issuer.configuration())
})

test('a clock that is set back brings another Configuration, whose cache of keys is empty, and no call', async () => {
  const world = createWorld()
  const first = await world.issuer.configuration()
  world.behind = hour
  const second = await world.issuer.configuration()
  assert.notEqual(second, first)
  assert.deepEqual(second.serverMetadata(), first.serverMetadata())
  world.now += 1000
  assert.equal(await world.issuer.configuration(), second)
  assert.equal(world.calls.length, 1)
})

test('renewed after an hour behind the callers’ backs, and the same object while nothing has changed', async () => {
  const world = createWorld()
  const first = await world.issuer.configuration()
  world.now += hour
  assert.equal(await world.issuer.configuration(), first)
  await settled()
  assert.equal(await world.issuer.configuration(), first)
  assert.equal(world.calls.length, 2)
  world.respond = () => json({ ...document, jwks_uri: `${issuer}/new` })
  world.now += hour
  await world.issuer.configuration()
  await settled()
  assert.equal((await world.issuer.metadata()).jwks_uri, `${issuer}/new`)
  assert.notEqual(await world.issuer.configuration(), first)
})

test('a provider that is down later does not matter: the last good stays', async () => {
  const world = createWorld()
  const first = await world.issuer.configuration()
  world.respond = () => json({}, 503)
  for (let i = 0; i < 30; i++) {
    world.now += hour
    assert.equal(await world.issuer.configuration(), first)
    await settled()
  }
  assert.ok(world.issuer.isFailing())
  assert.equal(world.reported.length, 1)
})

test('a provider that is down at first is asked ever more slowly, and reported once', async () => {
  const world = createWorld()
  world.respond = () => Promise.reject(new TypeError('fetch failed'))
  const asked: number[] = []
  for (let second = 0; second < 120; second++) {
    const before = world.calls.length
    await assert.rejects(world.issuer.configuration(), { code: 'provider_unavailable' })
    if (world.calls.length > before) asked.push(second)
    world.now += 1000
  }
  assert.deepEqual(asked, [0, 1, 3, 7, 15, 31, 61, 91])
  assert.equal(world.reported.length, 1)
  world.respond = () => json(document)
  world.now += 30_000
  await world.issuer.configuration()
  assert.deepEqual(world.reported.slice(1), [undefined])
})

describe('refused:', () => {
  const documents: [what: string, body: unknown, reason: RegExp][] = [
    ['another issuer’s document', { ...document, issuer: 'https://evil.example' }, /does not match/],
    ['no issuer', { jwks_uri: `${issuer}/keys` }, /issuer/],
    ['a number for an endpoint', { ...document, token_endpoint: 5 }, /its token_endpoint is not an http/],
    ['a list for an endpoint', { ...document, jwks_uri: [`${issuer}/keys`] }, /its jwks_uri is not an http/],
    ['a script for an endpoint', { ...document, end_session_endpoint: 'javascript:alert(1)' }, /its end_session/],
    ['a path for an endpoint', { ...document, authorization_endpoint: '/authorize' }, /its authorization_endpoint/],
    ['an endpoint we need is missing', { issuer }, /offers no jwks_uri/],
    ['a list', [], /./],
  ]
  for (const [what, body, reason] of documents) {
    test(what, async () => {
      const world = createWorld()
      world.respond = () => json(body)
      await assert.rejects(world.issuer.configuration(), { code: 'provider_unavailable', message: reason })
    })
  }

  test('an issuer that stands for all tenants', async () => {
    const common = 'https://login.microsoftonline.com/common/v2.0'
    const world = createWorld({ issuer: common })
    world.respond = () => json({ ...document, issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' })
    await assert.rejects(world.issuer.configuration(), { code: 'provider_unavailable', message: /your tenant/ })
  })
})

test('what is configured goes before what is discovered', async () => {
  const world = createWorld({
    endpoints: { jwks_uri: 'https://keys.example' },
    requiredEndpoints: ['jwks_uri', 'introspection_endpoint'],
  })
  const { jwks_uri, introspection_endpoint } = await world.issuer.metadata()
  assert.deepEqual([jwks_uri, introspection_endpoint], ['https://keys.example', `${issuer}/introspect`])
})

test('with all that is needed configured, nothing is asked, today or later', async () => {
  const world = createWorld({ endpoints: { jwks_uri: 'https://keys.example' } })
  await world.issuer.configuration()
  world.now += 100 * hour
  assert.deepEqual(await world.issuer.metadata(), { issuer, jwks_uri: 'https://keys.example' })
  assert.equal(world.calls.length, 0)
})

describe('client_auth_method', () => {
  async function requestBy(client: IssuerOptions['client']) {
    const world = createWorld({ client })
    world.respond = (url) => (url.endsWith('/introspect') ? json({ active: false }) : json(document))
    await tokenIntrospection(await world.issuer.configuration(), 'the-token')
    const { headers, body } = world.calls.at(-1)!.options
    return { authorization: new Headers(headers).get('authorization'), body: new URLSearchParams(String(body)) }
  }

  test('client_secret_basic: form-encoded first (RFC 6749, 2.3.1)', async () => {
    const { authorization, body } = await requestBy({ method: 'client_secret_basic', secret: 'a b&c' })
    assert.equal(atob(authorization!.replace('Basic ', '')), 'kibana:a+b%26c')
    assert.equal(body.get('client_secret'), null)
  })

  test('client_secret_post', async () => {
    const { authorization, body } = await requestBy({ method: 'client_secret_post', secret: 'a b' })
    assert.deepEqual([authorization, body.get('client_id'), body.get('client_secret')], [null, 'kibana', 'a b'])
  })

  test('none', async () => {
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
    test(`private_key_jwt: ${alg}`, async () => {
      const { authorization, body } = await requestBy({ method: 'private_key_jwt', privateKey, privateKeyId: 'k1' })
      const assertion = body.get('client_assertion')!
      assert.equal(authorization, null)
      assert.partialDeepStrictEqual(decodeProtectedHeader(assertion), { alg, kid: 'k1' })
      assert.partialDeepStrictEqual(decodeJwt(assertion), { iss: 'kibana', sub: 'kibana', aud: issuer })
    })
  }

  test('a key that no algorithm is for is refused at the start', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    assert.throws(
      () => createWorld({ client: { method: 'private_key_jwt', privateKey: pem(privateKey, 'pkcs8') } }),
      /oidc.private_key/,
    )
  })
})

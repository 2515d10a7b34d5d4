import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  createGate,
  hang,
  type Interceptor,
  respondErrorPage,
  respondHtml,
  respondJson,
} from '../support/oidc/faults.ts'
import { eventually } from '../support/wait.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const fixture = await createFixture()
const now = () => Math.floor(Date.now() / 1000)

describe('token_validation: userinfo', async () => {
  const idp = await createProviderFor()
  const flags = { 'oidc.token_validation': 'userinfo' }
  const [patient, impatient] = await Promise.all([
    startTokens(fixture, idp, { flags }),
    startTokens(fixture, idp, { flags: { ...flags, 'oidc.timeout': '3s' } }),
  ])
  const { url, logged } = patient

  test('an opaque token is checked with one call to userinfo for many requests', async () => {
    const { access_token } = await idp.tokensFor('bob')
    for (let i = 0; i < 5; i++) assert.equal(await verdictOf(await bearer(url, access_token)), '200 bob')
    assert.equal(idp.calls('userinfo'), 1)
    assert.equal(idp.calls('jwks'), 0)
  })

  test('concurrent requests with a new token cause one call to userinfo', async () => {
    const { access_token } = await idp.tokensFor('alice')
    const before = idp.calls('userinfo')
    const { gate, open, arrived } = createGate()
    const undo = idp.intercept('userinfo', (request, response, pass) => {
      gate(request, response, pass)
      setTimeout(open, 50)
    })
    const responses = await Promise.all(Array.from({ length: 50 }, () => bearer(url, access_token)))
    undo()
    assert.deepEqual(new Set(await Promise.all(responses.map(verdictOf))), new Set(['200 alice']))
    assert.deepEqual([arrived.length, idp.calls('userinfo') - before], [1, 1])
  })

  test('a token that the provider does not know is rejected, and checked once', async () => {
    const before = idp.calls('userinfo')
    for (let i = 0; i < 5; i++) assert.equal(await verdictOf(await bearer(url, 'unheard-of')), '401 token_invalid')
    assert.equal(idp.calls('userinfo') - before, 1)
  })

  const faults: Record<string, Interceptor> = {
    'an HTML page': respondHtml,
    'a status 500': respondJson(500, {}),
    'a 401 with an HTML page of an intermediary': respondErrorPage(401),
    'a 403 with an HTML page of an intermediary': respondErrorPage(403),
    'a redirect': (_request, response) => response.writeHead(302, { Location: '/elsewhere' }).end(),
    'a response without a body': (_request, response) => response.writeHead(204).end(),
    'a list instead of an object': respondJson(200, []),
    'no response': hang,
    'a response without a subject': respondJson(200, {}),
  }
  for (const [what, fault] of Object.entries(faults)) {
    test(`${what} from userinfo leads to 503, and the token is checked again`, async () => {
      const { access_token } = await idp.tokensFor('carol')
      const gateway = fault === hang ? impatient : patient
      const undo = idp.intercept('userinfo', fault)
      const response = await bearer(gateway.url, access_token)
      undo()
      assert.equal(response.headers.get('retry-after'), '5')
      assert.equal(await verdictOf(response), '503 provider_unavailable')
      const again = async () => verdictOf(await bearer(gateway.url, access_token))
      const isInTime = (verdict: string) => gateway === patient || verdict !== '503 provider_unavailable'
      assert.equal(await eventually(again, isInTime), '200 carol')
    })
  }

  for (const sub of ['', 5, null, ['alice'], { sub: 'alice' }]) {
    test(`rejects a token with 401 when userinfo gives ${JSON.stringify(sub)} as its subject, and logs the reason`, async () => {
      const undo = idp.intercept('userinfo', respondJson(200, { sub, preferred_username: 'alice' }))
      const path = `/subject/${encodeURIComponent(JSON.stringify(sub))}`
      const response = await bearer(url, `subject${JSON.stringify(sub).length}${typeof sub}`, {
        'X-Forwarded-Uri': path,
      })
      undo()
      assert.equal(await verdictOf(response), '401 token_invalid')
      const { message } = await logged(({ message = '' }) => message.startsWith(`GET ${path} 401`))
      assert.match(message!, /the userinfo response has no valid subject/)
    })
  }

  test('the log does not contain the body of an error response from userinfo', async () => {
    const undo = idp.intercept('userinfo', respondJson(500, { error: 'hunter2' }))
    await bearer(url, 'another', { 'X-Forwarded-Uri': '/in-error' })
    undo()
    const { message } = await logged(({ message = '' }) => message.startsWith('GET /in-error'))
    assert.match(message!, /503 the identity provider \(userinfo\)/)
    assert.doesNotMatch(message!, /hunter2/)
  })
})

describe('token_validation: both', async () => {
  const idp = await createProviderFor({ accessTokens: 'jwt' })
  const { url } = await startTokens(fixture, idp, { flags: { 'oidc.token_validation': 'both' } })
  const calls = () => [idp.calls('jwks'), idp.calls('userinfo')]

  test('token_validation both verifies the signature, and reads the groups from userinfo', async () => {
    const { access_token } = await idp.tokensFor('alice')
    idp.accounts.set('alice', { ...idp.accounts.get('alice'), groups: ['fewer'] })
    const response = await bearer(url, access_token)
    assert.deepEqual(((await response.json()) as { groups: string[] }).groups, ['fewer'])
    assert.deepEqual(calls(), [1, 1])
  })

  test('token_validation both rejects a token with an invalid signature without a call to userinfo', async () => {
    const undo = idp.intercept('userinfo', respondJson(200, { sub: 'alice', preferred_username: 'alice' }))
    const before = idp.calls('userinfo')
    const [header, payload] = (await idp.sign()).split('.')
    assert.equal(await verdictOf(await bearer(url, `${header}.${payload}.AAAA`)), '401 token_invalid')
    assert.equal(await verdictOf(await bearer(url, 'opaque')), '401 token_invalid')
    undo()
    assert.equal(idp.calls('userinfo'), before)
  })

  test('token_validation both rejects a token with a valid signature if userinfo rejects the token', async () => {
    const undo = idp.intercept('userinfo', respondJson(401, {}))
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '1' }))), '401 token_invalid')
    undo()
  })

  test('with token_validation both, a token with a valid signature gets 503 while userinfo is down', async () => {
    const undo = idp.intercept('userinfo', respondJson(503, {}))
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '2' }))), '503 provider_unavailable')
    undo()
  })

  test('with token_validation set to both, a token is rejected if userinfo returns another subject', async () => {
    const undo = idp.intercept(
      'userinfo',
      respondJson(200, { sub: 'bob', preferred_username: 'bob', groups: ['root'] }),
    )
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '3' }))), '401 token_invalid')
    undo()
  })

  test('token_validation both rejects a token without a subject', async () => {
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ sub: '' }))), '401 token_invalid')
  })
})

describe('token_validation: introspection', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp, { flags: { 'oidc.token_validation': 'introspection' } })
  let tokens = 0
  const verdictFor = async (document: object) => {
    const undo = idp.intercept('introspection', respondJson(200, document))
    const verdict = await verdictOf(await bearer(url, `opaque-${++tokens}`))
    undo()
    return verdict
  }
  const usual = { active: true, client_id: idp.clientId, sub: 'eve', preferred_username: 'eve', groups: ['a'] }

  test('an opaque token is checked with one call to introspection', async () => {
    const { access_token } = await idp.tokensFor('bob')
    assert.equal(await verdictOf(await bearer(url, access_token)), '200 bob')
    assert.deepEqual([idp.calls('introspection'), idp.calls('userinfo')], [1, 0])
  })

  test('claims that introspection omits are read from userinfo, for the same subject only', async () => {
    const tokens = [await idp.tokensFor('alice'), await idp.tokensFor('bob')]
    const undo = idp.intercept(
      'introspection',
      respondJson(200, { active: true, client_id: idp.clientId, sub: 'alice' }),
    )
    const verdicts = []
    for (const { access_token } of tokens) verdicts.push(await verdictOf(await bearer(url, access_token)))
    undo()
    assert.deepEqual(verdicts, ['200 alice', '401 token_invalid'])
  })

  test('an active refresh token is rejected', async () => {
    const { refresh_token } = await idp.tokensFor('alice')
    assert.match(await verdictOf(await bearer(url, refresh_token)), /^401 token_invalid/)
  })

  const cases: [what: string, document: object, verdict: string][] = [
    ['all claims', usual, '200 eve'],
    ['active: false', { active: false }, '401 token_invalid'],
    ['active as a string', { ...usual, active: 'true' }, '503 provider_unavailable'],
    ['another client_id', { ...usual, client_id: 'grafana' }, '401 token_invalid'],
    ['no client_id', { ...usual, client_id: undefined }, '401 token_invalid'],
    ['our client_id and an empty audience', { ...usual, aud: [] }, '200 eve'],
    ['our client_id and another audience', { ...usual, aud: ['grafana'] }, '401 token_invalid'],
    ['another client_id and our audience', { ...usual, aud: [idp.clientId], client_id: 'grafana' }, '200 eve'],
    ['another issuer', { ...usual, iss: 'https://evil.example' }, '401 token_invalid'],
    ['exp in the past', { ...usual, exp: now() - 5 }, '401 token_expired'],
    ['nbf in the future', { ...usual, nbf: now() + 3600 }, '401 token_invalid'],
    ['token_use refresh_token (Authelia)', { ...usual, token_use: 'refresh_token' }, '401 token_invalid'],
    ['typ Refresh (Keycloak)', { ...usual, typ: 'Refresh' }, '401 token_invalid'],
    ['token_type DPoP', { ...usual, token_type: 'DPoP' }, '401 token_invalid'],
  ]
  for (const [what, document, verdict] of cases)
    test(`an introspection response with ${what} gives ${verdict}`, async () =>
      assert.equal(await verdictFor(document), verdict))

  test("a token gets 503 if introspection rejects elastauth's client credentials", async () => {
    const undo = idp.intercept('introspection', respondJson(401, { error: 'invalid_client' }))
    assert.equal(await verdictOf(await bearer(url, 'some-token')), '503 provider_unavailable')
    undo()
  })
})

test('a revoked token is rejected after oidc.validation_ttl', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(fixture, idp, {
    flags: { 'oidc.token_validation': 'userinfo', 'oidc.validation_ttl': '0s' },
  })
  const { access_token } = await idp.tokensFor('alice')
  assert.equal(await verdictOf(await bearer(url, access_token)), '200 alice')
  const { clientId, clientSecret } = idp
  await fetch(`${idp.issuer}/token/revocation`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${encodeURIComponent(clientSecret)}`)}` },
    body: new URLSearchParams({ token: access_token }),
  })
  assert.equal(await verdictOf(await bearer(url, access_token)), '401 token_invalid')
})

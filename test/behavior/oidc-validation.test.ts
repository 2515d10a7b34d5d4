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
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const setting = await createFixture()
const now = () => Math.floor(Date.now() / 1000)

describe('token_validation: userinfo', async () => {
  const idp = await createProviderFor()
  const { url, logged } = await startTokens(setting, idp, {
    flags: { 'oidc.token_validation': 'userinfo', 'oidc.timeout': '3s' },
  })

  test('an opaque token gives its user, by one call for many requests', async () => {
    const { access_token } = await idp.tokensFor('bob')
    for (let i = 0; i < 5; i++) assert.equal(await verdictOf(await bearer(url, access_token)), '200 bob')
    assert.equal(idp.calls('userinfo'), 1)
    assert.equal(idp.calls('jwks'), 0)
  })

  test('requests at once with a new token make one call', async () => {
    const { access_token } = await idp.tokensFor('alice')
    const before = idp.calls('userinfo')
    const { gate, open, arrived } = createGate()
    const undo = idp.intercept('userinfo', (request, response, pass) => {
      gate(request, response, pass)
      setTimeout(open, 50)
    })
    const answers = await Promise.all(Array.from({ length: 50 }, () => bearer(url, access_token)))
    undo()
    assert.deepEqual(new Set(await Promise.all(answers.map(verdictOf))), new Set(['200 alice']))
    assert.deepEqual([arrived.length, idp.calls('userinfo') - before], [1, 1])
  })

  test('a token that the provider does not know is refused, and asked about once', async () => {
    const before = idp.calls('userinfo')
    for (let i = 0; i < 5; i++) assert.equal(await verdictOf(await bearer(url, 'unheard-of')), '401 token_invalid')
    assert.equal(idp.calls('userinfo') - before, 1)
  })

  const faults: Record<string, Interceptor> = {
    'an HTML page': respondHtml,
    'an error': respondJson(500, {}),
    'a 401 with a page of something in between': respondErrorPage(401),
    'a 403 with a page of something in between': respondErrorPage(403),
    'a redirect': (_request, response) => response.writeHead(302, { Location: '/elsewhere' }).end(),
    'no body': (_request, response) => response.writeHead(204).end(),
    'a list': respondJson(200, []),
    silence: hang,
    'no subject': respondJson(200, {}),
  }
  for (const [what, fault] of Object.entries(faults)) {
    test(`${what} in place of an answer is the provider’s fault: 503, and the token is asked about again`, async () => {
      const { access_token } = await idp.tokensFor('carol')
      const undo = idp.intercept('userinfo', fault)
      const response = await bearer(url, access_token)
      undo()
      assert.equal(response.headers.get('retry-after'), '5')
      assert.equal(await verdictOf(response), '503 provider_unavailable')
      assert.equal(await verdictOf(await bearer(url, access_token)), '200 carol')
    })
  }

  for (const sub of ['', 5, null, ['alice'], { sub: 'alice' }]) {
    test(`rejects a token with 401 when userinfo gives ${JSON.stringify(sub)} as its subject, and the log says so`, async () => {
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

  test('the log does not hold what the provider said in its error', async () => {
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
  const { url } = await startTokens(setting, idp, { flags: { 'oidc.token_validation': 'both' } })
  const before = () => [idp.calls('jwks'), idp.calls('userinfo')]

  test('signature and userinfo, where the groups are read anew', async () => {
    const { access_token } = await idp.tokensFor('alice')
    idp.accounts.set('alice', { ...idp.accounts.get('alice'), groups: ['fewer'] })
    const response = await bearer(url, access_token)
    assert.deepEqual(((await response.json()) as { groups: string[] }).groups, ['fewer'])
    assert.deepEqual(before(), [1, 1])
  })

  test('a token with a bad signature is never asked about, though userinfo would know it', async () => {
    const undo = idp.intercept('userinfo', respondJson(200, { sub: 'alice', preferred_username: 'alice' }))
    const asked = idp.calls('userinfo')
    const [header, payload] = (await idp.sign()).split('.')
    assert.equal(await verdictOf(await bearer(url, `${header}.${payload}.AAAA`)), '401 token_invalid')
    assert.equal(await verdictOf(await bearer(url, 'opaque')), '401 token_invalid')
    undo()
    assert.equal(idp.calls('userinfo'), asked)
  })

  test('a good signature is not enough where userinfo refuses', async () => {
    const undo = idp.intercept('userinfo', respondJson(401, {}))
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '1' }))), '401 token_invalid')
    undo()
  })

  test('a good signature is not enough while userinfo is down', async () => {
    const undo = idp.intercept('userinfo', respondJson(503, {}))
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '2' }))), '503 provider_unavailable')
    undo()
  })

  test('userinfo that speaks of another subject is refused', async () => {
    const undo = idp.intercept(
      'userinfo',
      respondJson(200, { sub: 'bob', preferred_username: 'bob', groups: ['root'] }),
    )
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ jti: '3' }))), '401 token_invalid')
    undo()
  })

  test('a token without a subject is refused', async () => {
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ sub: '' }))), '401 token_invalid')
  })
})

describe('token_validation: introspection', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(setting, idp, { flags: { 'oidc.token_validation': 'introspection' } })
  let tokens = 0
  const answered = async (document: object) => {
    const undo = idp.intercept('introspection', respondJson(200, document))
    const verdict = await verdictOf(await bearer(url, `opaque-${++tokens}`))
    undo()
    return verdict
  }
  const good = { active: true, client_id: idp.clientId, sub: 'eve', preferred_username: 'eve', groups: ['a'] }

  test('a real opaque token', async () => {
    const { access_token } = await idp.tokensFor('bob')
    assert.equal(await verdictOf(await bearer(url, access_token)), '200 bob')
    assert.deepEqual([idp.calls('introspection'), idp.calls('userinfo')], [1, 0])
  })

  test('what introspection leaves out is asked of userinfo, for the same subject only', async () => {
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

  test('a real refresh token is refused, though it is active', async () => {
    const { refresh_token } = await idp.tokensFor('alice')
    assert.match(await verdictOf(await bearer(url, refresh_token)), /^401 token_invalid/)
  })

  const cases: [what: string, document: object, verdict: string][] = [
    ['all there is to know', good, '200 eve'],
    ['not active', { active: false }, '401 token_invalid'],
    ['active as a text', { ...good, active: 'true' }, '503 provider_unavailable'],
    ['another client’s', { ...good, client_id: 'grafana' }, '401 token_invalid'],
    ['nobody’s', { ...good, client_id: undefined }, '401 token_invalid'],
    ['ours, and for nobody in particular', { ...good, aud: [] }, '200 eve'],
    ['ours, but for another', { ...good, aud: ['grafana'] }, '401 token_invalid'],
    ['another’s, but for us', { ...good, aud: [idp.clientId], client_id: 'grafana' }, '200 eve'],
    ['another issuer’s', { ...good, iss: 'https://evil.example' }, '401 token_invalid'],
    ['expired', { ...good, exp: now() - 5 }, '401 token_expired'],
    ['of the future', { ...good, nbf: now() + 90 }, '401 token_invalid'],
    ['a refresh token (Authelia’s word)', { ...good, token_use: 'refresh_token' }, '401 token_invalid'],
    ['a refresh token (Keycloak’s word)', { ...good, typ: 'Refresh' }, '401 token_invalid'],
    ['bound to a key', { ...good, token_type: 'DPoP' }, '401 token_invalid'],
  ]
  for (const [what, document, verdict] of cases) test(what, async () => assert.equal(await answered(document), verdict))

  test('our own credentials refused is the provider’s 503, not the token’s fault', async () => {
    const undo = idp.intercept('introspection', respondJson(401, { error: 'invalid_client' }))
    assert.equal(await verdictOf(await bearer(url, 'some-token')), '503 provider_unavailable')
    undo()
  })
})

test('answers are believed for validation_ttl: then revoked tokens are out, and groups are new', async () => {
  const idp = await createProviderFor()
  const { url } = await startTokens(setting, idp, {
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

import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { createSigningKey, signJwt } from '../support/oidc/keys.ts'
import { exchange } from '../support/raw-http.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const fixture = await createFixture()
const idp = await createProviderFor({ accessTokens: 'jwt' })
const gateway = await startTokens(fixture, idp, {
  env: { ELASTAUTH_GROUP_MAPPINGS: JSON.stringify({ admins: ['editor'] }), ELASTAUTH_OIDC_AUDIENCES: 'urn:reports' },
})
const { url, logged } = gateway
const now = () => Math.floor(Date.now() / 1000)
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const without = (claim: string): Record<string, unknown> => ({ [claim]: undefined })
const verdict = async (token: string) => verdictOf(await bearer(url, token))

describe('a token that the provider issued', () => {
  test('an access token (at+jwt) gives the user, the groups, and a working credential', async () => {
    const { access_token } = await idp.tokensFor('alice')
    const response = await bearer(url, access_token)
    assert.deepEqual(await response.json(), {
      message: 'Authentication successful',
      username: 'alice',
      groups: ['admins', 'staff'],
      email: 'alice@example.com',
      name: 'Alice Åkesson',
    })
    const { body } = await fixture.logIn(response.headers.get('authorization'))
    assert.deepEqual((body as { roles: string[] }).roles, ['editor'])
  })

  test('an ID token with our client as its audience is accepted', async () => {
    const { id_token } = await idp.tokensFor('bob')
    assert.equal(await verdict(id_token), '200 bob')
  })

  test('a refresh token is rejected', async () => {
    const { refresh_token } = await idp.tokensFor('alice')
    assert.equal(await verdict(refresh_token), '401 token_invalid')
  })

  test('the scheme Bearer is accepted in any case and with several spaces after it', async () => {
    const token = await idp.sign()
    for (const scheme of ['bearer', 'BEARER', 'Bearer   '])
      assert.equal((await fetch(url, { headers: { Authorization: `${scheme} ${token}` } })).status, 200, scheme)
  })
})

describe('accepted tokens', () => {
  const accepted: [what: string, token: () => Promise<string>][] = [
    ['our name among several audiences', () => idp.sign({ aud: ['other', idp.clientId] })],
    ['an audience of oidc.audiences', () => idp.sign({ aud: 'urn:reports' })],
    ['nbf and iat 20 s in the future', () => idp.sign({ nbf: now() + 20, iat: now() + 20 })],
    ['the type application/at+jwt', () => idp.sign({}, { typ: 'application/at+jwt' })],
    ['no type', () => idp.sign({}, { typ: undefined })],
    ['no email_verified', () => idp.sign({ email_verified: undefined })],
  ]
  for (const [what, token] of accepted)
    test(`accepts a token with ${what}`, async () => assert.equal(await verdict(await token()), '200 alice'))
})

describe('rejects a forged or invalid token', () => {
  const unknownKey = createSigningKey()
  const forged = { ...unknownKey, kid: idp.key.kid }
  const publicPem = idp.key.publicKey.export({ type: 'spki', format: 'pem' })
  const unsigned = (header: unknown, claims: unknown) => `${base64url(header)}.${base64url(claims)}`
  const claims = () => ({ iss: idp.issuer, aud: idp.clientId, sub: 'a', preferred_username: 'a', exp: now() + 600 })
  const mac = (key: string | Buffer) => {
    const text = unsigned({ alg: 'HS256', kid: idp.key.kid, typ: 'JWT' }, claims())
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }
  const logoutEvents = { 'http://schemas.openid.net/event/backchannel-logout': {} }

  const rejected: [what: string, token: () => string | Promise<string>, reason: RegExp, verdict?: string][] = [
    ['alg none', () => `${unsigned({ alg: 'none' }, claims())}.`, /alg/i],
    ['alg None with a key ID', () => `${unsigned({ alg: 'None', kid: idp.key.kid }, claims())}.`, /alg/i],
    ['HS256 with the public key (algorithm confusion)', () => mac(publicPem), /alg/i],
    ['HS256 with the public key in DER', () => mac(idp.key.publicKey.export({ type: 'spki', format: 'der' })), /alg/i],
    ['HS256 with the client secret', () => mac(idp.clientSecret), /alg/i],
    ['an unknown key', () => idp.sign({}, {}, unknownKey), /no such key/],
    ["an unknown key under the provider's key ID", () => idp.sign({}, {}, forged), /signature/i],
    [
      'a key in the header (jwk)',
      () => idp.sign({}, { jwk: unknownKey.publicKey.export({ format: 'jwk' }) }, forged),
      /signature/i,
    ],
    [
      'the URL of a key set in the header (jku)',
      () => idp.sign({}, { jku: 'https://evil.example/jwks' }, forged),
      /signature/i,
    ],
    ['another issuer', () => idp.sign({ iss: 'https://evil.example' }), /https:\/\/evil\.example.*issuer/],
    ['our issuer with a trailing slash', () => idp.sign({ iss: `${idp.issuer}/` }), /issuer/],
    ['no issuer', () => idp.sign(without('iss')), /its issuer is missing/],
    ['another audience', () => idp.sign({ aud: 'grafana' }), /"grafana".*oidc\.audiences/],
    ['a list of other audiences', () => idp.sign({ aud: ['grafana', 'kiban', 'Kibana'] }), /grafana/],
    ['an audience that contains ours', () => idp.sign({ aud: `${idp.clientId} x` }), /kibana x/],
    ['no audience', () => idp.sign(without('aud')), /its audience is missing/],
    ['expired', () => idp.sign({ exp: now() - 1 }), /expired/, '401 token_expired'],
    ['expired long ago', () => idp.sign({ exp: 1 }), /expired/, '401 token_expired'],
    ['no expiry (exp)', () => idp.sign(without('exp')), /exp/],
    ['an expiry that is a string', () => idp.sign({ exp: `${now() + 600}` as unknown as number }), /exp/],
    ['nbf in the future', () => idp.sign({ nbf: now() + 60 }), /nbf/],
    ['a logout token', () => idp.sign({ events: logoutEvents }, { typ: 'logout+jwt' }), /type/],
    ['a logout token without its type', () => idp.sign({ events: logoutEvents }), /logout token/],
    ['the type of a DPoP proof', () => idp.sign({}, { typ: 'dpop+jwt' }), /type/],
    ['a token that is bound to a key (cnf)', () => idp.sign({ cnf: { jkt: 'x' } }), /bound to a key/],
    ['a critical extension (crit)', () => signed({ crit: ['x'], x: 1 }, idp.key.privateKey), /x/],
    ['no signature', async () => (await idp.sign()).split('.').slice(0, 2).join('.'), /./],
    ['an empty signature', async () => `${(await idp.sign()).split('.').slice(0, 2).join('.')}.`, /./],
    ['changed claims', async () => changed(await idp.sign()), /signature/i],
    ['a text that is not a JWT', () => 'abcdef', /./],
    ['five parts', () => 'a.b.c.d.e', /./],
    ['a JWT whose header is not valid', () => 'e30.e30.e30', /./],
    ['longer than 16 KiB', () => 'a'.repeat(16_385), /longer than/],
    ['base64 padding inside (AWS ALB)', async () => (await idp.sign()).replaceAll('.', '==.'), /not a bearer token/],
    ['two tokens in one header', async () => `${await idp.sign()}, Bearer ${await idp.sign()}`, /not a bearer token/],
    ['no token after the scheme', () => '', /not a bearer token/],
  ]
  for (const [what, makeToken, reason, expected = '401 token_invalid'] of rejected) {
    test(`rejects a forged or invalid token: ${what}`, async () => {
      const path = `/${encodeURIComponent(what)}`
      const token = await makeToken()
      const response = await bearer(url, token, { 'X-Forwarded-Uri': path })
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/)
      assert.equal(response.headers.get('authorization'), null)
      assert.equal(await verdictOf(response), expected)
      const { message = '' } = await logged(({ message = '' }) => message.startsWith(`GET ${path} `))
      assert.match(message, reason)
    })
  }

  function changed(token: string): string {
    const [header, payload, signature] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
    return `${header}.${base64url({ ...claims, groups: ['root'] })}.${signature}`
  }
})

/** A token with a header that jose refuses to sign. */
function signed(header: object, key: KeyObject, issuer = idp.issuer): string {
  const claims = { iss: issuer, aud: idp.clientId, sub: 'alice', preferred_username: 'alice', exp: now() + 600 }
  const text = `${base64url({ alg: 'RS256', kid: idp.key.kid, ...header })}.${base64url(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

test('rejects a token signed with a 1024-bit RSA key, even if the key is in the key set', async () => {
  const other = await createProviderFor()
  const small = { kid: 'small', alg: 'RS256' as const, ...generateKeyPairSync('rsa', { modulusLength: 1024 }) }
  other.keys.push(small)
  const gateway = await startTokens(fixture, other)
  const token = signed({ kid: 'small' }, small.privateKey, other.issuer)
  assert.equal(await verdictOf(await bearer(gateway.url, token)), '401 token_invalid')
  assert.equal(await verdictOf(await bearer(gateway.url, await other.sign())), '200 alice')
})

test('rejects two Authorization headers, no matter which of them has a valid token', async () => {
  const token = await idp.sign()
  const pairs = [
    [`Bearer ${token}`, `Bearer ${token}`],
    [`Bearer ${token}`, 'Basic eDp5'],
    ['Basic eDp5', `Bearer ${token}`],
    ['', `Bearer ${token}`],
  ]
  for (const lines of pairs) {
    const names = ['Authorization', 'aUTHORIZATION']
    const { status, body } = await exchange(url, [
      'GET / HTTP/1.1',
      'Host: elastauth',
      ...lines.map((value, i) => `${names[i]}: ${value}`),
    ])
    assert.deepEqual([status, JSON.parse(body).error], [400, 'identity_invalid'])
  }
})

test('a request without a bearer token gets 401 and a Bearer challenge', async () => {
  for (const headers of [{}, { Authorization: 'Basic eDp5' }, { Authorization: 'Bearerx abc' }]) {
    const response = await fetch(url, { headers: headers as Record<string, string> })
    assert.equal(response.headers.get('www-authenticate'), 'Bearer')
    assert.equal(await verdictOf(response), '401 identity_missing')
  }
})

test('an email address that is not verified is omitted, and does not affect the username', async () => {
  const token = await idp.sign({ email: 'elastic@example.com', email_verified: false })
  assert.deepEqual(await (await bearer(url, token)).json(), {
    message: 'Authentication successful',
    username: 'alice',
    groups: ['admins', 'staff'],
    name: 'Alice Åkesson',
  })
})

test('rejects a token whose username is reserved for Elasticsearch', async () => {
  assert.equal(await verdict(await idp.sign({ preferred_username: 'elastic' })), '403 user_reserved')
})

test('the log contains no token and no part of a token', async () => {
  const token = await idp.sign()
  await bearer(url, token)
  const expired = await idp.sign({ exp: 1 })
  await bearer(url, expired, { 'X-Forwarded-Uri': `/last?access_token=${token}` })
  await logged(({ message = '' }) => message.startsWith('GET /last'))
  const parts = [token, expired].flatMap((text) => text.split('.')).filter((part) => part.length > 100)
  assert.equal(parts.length, 4)
  for (const part of parts) assert.ok(!gateway.output().includes(part.slice(0, 100)))
  assert.ok(!gateway.output().includes(idp.clientSecret))
})

test('accepts a token signed with a key that the provider published after the gateway started', async () => {
  const newKey = createSigningKey()
  const other = await createProviderFor()
  const gateway = await startTokens(fixture, other)
  other.keys.push(newKey)
  const token = await signJwt(newKey, {
    iss: other.issuer,
    aud: other.clientId,
    preferred_username: 'bob',
    exp: now() + 60,
  })
  assert.equal(await verdictOf(await bearer(gateway.url, token)), '200 bob')
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchange, headersOf } from '../support/raw-http.ts'
import { startProxy, startUpstream, userOf } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const fixture = await createFixture()
const idp = await createProviderFor()
const ask = async (url: string, headers: Record<string, string>) => verdictOf(await fetch(url, { headers }))
const token = (username: string) => idp.sign({ sub: username, preferred_username: username })

describe('a token in oidc.token_header', async () => {
  const header = 'Cf-Access-Jwt-Assertion'
  const { url } = await startTokens(fixture, idp, { flags: { 'oidc.token_header': header } })

  test('a token is accepted in oidc.token_header with and without Bearer', async () => {
    assert.equal(await ask(url, { [header]: await token('bob') }), '200 bob')
    assert.equal(await ask(url, { [header.toLowerCase()]: `Bearer ${await token('bob')}` }), '200 bob')
  })

  test('an invalid token in oidc.token_header is rejected, and cookies are not tried', async () => {
    assert.equal(
      await ask(url, { [header]: 'x.y.z', Cookie: `access_token=${await token('bob')}` }),
      '401 token_invalid',
    )
  })

  test('a duplicate oidc.token_header is rejected with 400', async () => {
    const lines = [`${header}: ${await token('bob')}`, `${header}: ${await token('alice')}`]
    const { status } = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...lines])
    assert.equal(status, 400)
  })

  test('a token in Authorization takes precedence over oidc.token_header', async () => {
    const headers = { [header]: await token('bob'), Authorization: `Bearer ${await token('alice')}` }
    assert.equal(await ask(url, headers), '200 alice')
  })

  test('oidc.token_header is read if Authorization has a scheme other than Bearer', async () => {
    assert.equal(await ask(url, { [header]: await token('bob'), Authorization: 'Basic eDp5' }), '200 bob')
  })
})

describe('a token in a cookie', async () => {
  const { url } = await startTokens(fixture, idp)
  const cookie = async (name: string, user: string) => `${name}=${await token(user)}`

  test('the cookie access_token takes precedence over id_token', async () => {
    const cookies = [await cookie('id_token', 'bob'), await cookie('access_token', 'alice'), 'sid=x; theme=dark']
    assert.equal(await ask(url, { Cookie: cookies.join('; ') }), '200 alice')
    assert.equal(await ask(url, { Cookie: cookies[0]! }), '200 bob')
  })

  test('a token in Authorization takes precedence over cookies', async () => {
    const headers = { Cookie: await cookie('access_token', 'bob'), Authorization: `Bearer ${await token('alice')}` }
    assert.equal(await ask(url, headers), '200 alice')
  })

  const ignored: [what: string, cookie: () => Promise<string>][] = [
    ["another application's token", async () => 'access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a'],
    ['an expired token', async () => `access_token=${await idp.sign({ exp: 1 })}`],
    [
      'a second cookie of the same name',
      async () => `${await cookie('id_token', 'bob')}; ${await cookie('id_token', 'alice')}`,
    ],
    ['an empty value', async () => 'access_token='],
    ['a name that only ends with access_token', async () => cookie('my_access_token', 'bob')],
    ['its name in another case', async () => cookie('Access_Token', 'bob')],
    ['access_token inside its value', async () => `a=access_token=${await token('bob')}`],
  ]
  for (const [what, value] of ignored)
    test(`a cookie with ${what} is ignored`, async () =>
      assert.equal(await ask(url, { Cookie: await value() }), '401 identity_missing'))

  test('an invalid access_token cookie does not hide a valid id_token cookie', async () => {
    assert.equal(await ask(url, { Cookie: `access_token=x.y.z; ${await cookie('id_token', 'bob')}` }), '200 bob')
  })

  const crossSite = { 'Sec-Fetch-Site': 'cross-site' }
  const requests: [what: string, headers: Record<string, string>, verdict: string][] = [
    ['a cross-site POST is rejected', { ...crossSite, 'X-Forwarded-Method': 'POST' }, '403 cross_site'],
    [
      'a same-site DELETE is rejected',
      { 'Sec-Fetch-Site': 'same-site', 'X-Original-Method': 'DELETE' },
      '403 cross_site',
    ],
    ['a cross-site GET is accepted', { ...crossSite, 'X-Forwarded-Method': 'GET' }, '200 bob'],
    ['a same-origin POST is accepted', { 'Sec-Fetch-Site': 'same-origin', 'X-Forwarded-Method': 'POST' }, '200 bob'],
    ['a POST that is not from a browser is accepted', { 'X-Forwarded-Method': 'POST' }, '200 bob'],
  ]
  for (const [what, headers, verdict] of requests)
    test(`with a token in a cookie, ${what}`, async () =>
      assert.equal(await ask(url, { ...headers, Cookie: await cookie('id_token', 'bob') }), verdict))
})

describe('auth_providers: oidc, authelia', async () => {
  const { url, logged } = await startTokens(fixture, idp, { flags: { auth_providers: 'oidc,authelia' } })

  test('a valid token takes precedence over identity headers', async () => {
    assert.equal(await ask(url, { 'Remote-User': 'carol', Authorization: `Bearer ${await token('bob')}` }), '200 bob')
  })

  test('identity headers are used if there is no valid token in a header or cookie', async () => {
    assert.equal(await ask(url, { 'Remote-User': 'carol' }), '200 carol')
    assert.equal(await ask(url, { 'Remote-User': 'carol', Cookie: 'access_token=x' }), '200 carol')
  })

  test('an invalid bearer token is rejected, and identity headers are not tried', async () => {
    const invalid = { expired: await idp.sign({ exp: 1 }), foreign: await idp.sign({ aud: 'grafana' }), none: '~' }
    for (const [what, value] of Object.entries(invalid))
      assert.match(await ask(url, { 'Remote-User': 'carol', Authorization: `Bearer ${value}` }), /^401 token_/, what)
  })

  test('without any identity, the log says what each provider looked for', async () => {
    assert.equal(await ask(url, { 'X-Forwarded-Uri': '/no-identity' }), '401 identity_missing')
    const { message } = await logged(({ message = '' }) => message.startsWith('GET /no-identity'))
    assert.match(message!, /no token, no session.*Remote-User/)
  })
})

describe('tokens from untrusted peers', async () => {
  test('in auth-only mode, a token from an untrusted peer is rejected', async () => {
    const { url } = await startTokens(fixture, idp, { flags: { trusted_proxies: '127.0.0.2' } })
    const response = await bearer(url, await token('bob'))
    assert.equal(response.headers.get('authorization'), null)
    assert.equal(await verdictOf(response), '401 peer_untrusted')
    const lines = ['GET / HTTP/1.1', 'Host: elastauth', `Authorization: Bearer ${await token('bob')}`]
    assert.equal((await exchange(url, lines, { localAddress: '127.0.0.2' })).status, 200)
  })

  test('in proxy mode, a token from an untrusted peer is accepted, and is not forwarded to the upstream', async () => {
    const forwarded: string[][] = []
    const upstream = await startUpstream((request, response) => {
      forwarded.push(request.rawHeaders)
      response.end('ok')
    })
    const { url } = await startProxy(upstream.url, {
      flags: {
        auth_provider: 'oidc',
        trusted_proxies: 'none',
        'oidc.issuer': idp.issuer,
        'oidc.client_id': idp.clientId,
        'oidc.login': 'false',
        'oidc.timeout': '30s', // on a busy machine, a call may take longer than the default of 5 s
        'oidc.token_header': 'X-Pomerium-Jwt-Assertion',
      },
    })
    const bob = await token('bob')
    assert.equal((await bearer(url, bob)).status, 200)
    assert.equal((await fetch(url, { headers: { 'X-Pomerium-Jwt-Assertion': bob } })).status, 200)
    assert.equal(
      (await fetch(url, { headers: { Cookie: `sid=kibana; access_token=${bob}; id_token=${bob}` } })).status,
      200,
    )
    assert.equal(forwarded.length, 3)
    for (const headers of forwarded) {
      const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as const] : []))
      assert.deepEqual(headersOf({ headers: pairs }, 'authorization').map(userOf), ['bob'])
      assert.ok(!headers.join().includes(bob), 'the token was forwarded')
    }
    assert.match(forwarded[2]!.join(), /sid=kibana/)
  })
})

describe('oidc.claim_mappings', async () => {
  const { url, logged } = await startTokens(fixture, idp, {
    env: {
      ELASTAUTH_OIDC_CLAIM_MAPPINGS_USERNAME: 'email',
      ELASTAUTH_OIDC_CLAIM_MAPPINGS_GROUPS: 'resource_access.kibana.roles',
    },
  })

  test('oidc.claim_mappings maps the email address to the username, and reads groups from a nested claim', async () => {
    const response = await bearer(url, await idp.sign())
    const { username, groups } = (await response.json()) as { username: string; groups: string[] }
    assert.deepEqual([username, groups], ['alice@example.com', ['admins', 'staff']])
  })

  test('rejects an unverified email address as the username', async () => {
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ email_verified: false }))), '400 identity_invalid')
  })

  test('rejects a token whose groups Entra ID omitted, instead of treating them as an empty list', async () => {
    const omitted = { resource_access: undefined, _claim_names: { 'resource_access.kibana.roles': 'src1' } }
    assert.equal(
      await verdictOf(await bearer(url, await idp.sign(omitted), { 'X-Forwarded-Uri': '/overage' })),
      '400 identity_invalid',
    )
    await logged(({ message = '' }) => message.startsWith('GET /overage') && message.includes('too many'))
  })
})

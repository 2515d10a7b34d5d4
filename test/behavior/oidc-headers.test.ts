import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchange, headersOf } from '../support/raw-http.ts'
import { startProxy, startUpstream, userOf } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'
import { bearer, createProviderFor, startTokens, verdictOf } from './oidc-gateway.ts'

const setting = await createFixture()
const idp = await createProviderFor()
const ask = async (url: string, headers: Record<string, string>) => verdictOf(await fetch(url, { headers }))
const token = (username: string) => idp.sign({ sub: username, preferred_username: username })

describe('a token in a header of one’s choice', async () => {
  const header = 'Cf-Access-Jwt-Assertion'
  const { url } = await startTokens(setting, idp, { flags: { 'oidc.token_header': header } })

  test('as it stands, and with Bearer before it', async () => {
    assert.equal(await ask(url, { [header]: await token('bob') }), '200 bob')
    assert.equal(await ask(url, { [header.toLowerCase()]: `Bearer ${await token('bob')}` }), '200 bob')
  })

  test('a bad one is refused, and nobody else is asked', async () => {
    assert.equal(
      await ask(url, { [header]: 'x.y.z', Cookie: `access_token=${await token('bob')}` }),
      '401 token_invalid',
    )
  })

  test('twice is refused', async () => {
    const lines = [`${header}: ${await token('bob')}`, `${header}: ${await token('alice')}`]
    const { status } = await exchange(url, ['GET / HTTP/1.1', 'Host: elastauth', ...lines])
    assert.equal(status, 400)
  })

  test('Authorization goes before it', async () => {
    const headers = { [header]: await token('bob'), Authorization: `Bearer ${await token('alice')}` }
    assert.equal(await ask(url, headers), '200 alice')
  })

  test('another scheme in Authorization does not count', async () => {
    assert.equal(await ask(url, { [header]: await token('bob'), Authorization: 'Basic eDp5' }), '200 bob')
  })
})

describe('a token in a cookie', async () => {
  const { url } = await startTokens(setting, idp)
  const cookie = async (name: string, user: string) => `${name}=${await token(user)}`

  test('access_token goes before id_token', async () => {
    const cookies = [await cookie('id_token', 'bob'), await cookie('access_token', 'alice'), 'sid=x; theme=dark']
    assert.equal(await ask(url, { Cookie: cookies.join('; ') }), '200 alice')
    assert.equal(await ask(url, { Cookie: cookies[0]! }), '200 bob')
  })

  test('Authorization goes before both', async () => {
    const headers = { Cookie: await cookie('access_token', 'bob'), Authorization: `Bearer ${await token('alice')}` }
    assert.equal(await ask(url, headers), '200 alice')
  })

  const nobody: [what: string, cookie: () => Promise<string>][] = [
    ['another application’s', async () => 'access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a'],
    ['an expired one', async () => `access_token=${await idp.sign({ exp: 1 })}`],
    ['two of one name', async () => `${await cookie('id_token', 'bob')}; ${await cookie('id_token', 'alice')}`],
    ['an empty one', async () => 'access_token='],
    ['a name that ends alike', async () => cookie('my_access_token', 'bob')],
    ['another case', async () => cookie('Access_Token', 'bob')],
    ['a name inside a value', async () => `a=access_token=${await token('bob')}`],
  ]
  for (const [what, value] of nobody)
    test(`${what} is nobody’s`, async () =>
      assert.equal(await ask(url, { Cookie: await value() }), '401 identity_missing'))

  test('a bad access_token does not hide a good id_token', async () => {
    assert.equal(await ask(url, { Cookie: `access_token=x.y.z; ${await cookie('id_token', 'bob')}` }), '200 bob')
  })

  const site = { 'Sec-Fetch-Site': 'cross-site' }
  const acting: [what: string, headers: Record<string, string>, verdict: string][] = [
    ['another site’s POST is rejected', { ...site, 'X-Forwarded-Method': 'POST' }, '403 cross_site'],
    [
      'a sibling’s DELETE is rejected',
      { 'Sec-Fetch-Site': 'same-site', 'X-Original-Method': 'DELETE' },
      '403 cross_site',
    ],
    ['another site’s GET reads', { ...site, 'X-Forwarded-Method': 'GET' }, '200 bob'],
    ['our own page’s POST acts', { 'Sec-Fetch-Site': 'same-origin', 'X-Forwarded-Method': 'POST' }, '200 bob'],
    ['a script’s POST acts', { 'X-Forwarded-Method': 'POST' }, '200 bob'],
  ]
  for (const [what, headers, verdict] of acting)
    test(what, async () =>
      assert.equal(await ask(url, { ...headers, Cookie: await cookie('id_token', 'bob') }), verdict),
    )
})

describe('auth_providers: oidc, authelia', async () => {
  const { url, logged } = await startTokens(setting, idp, { flags: { auth_providers: 'oidc,authelia' } })

  test('a token decides, whatever the headers say', async () => {
    assert.equal(await ask(url, { 'Remote-User': 'carol', Authorization: `Bearer ${await token('bob')}` }), '200 bob')
  })

  test('without one the headers do', async () => {
    assert.equal(await ask(url, { 'Remote-User': 'carol' }), '200 carol')
    assert.equal(await ask(url, { 'Remote-User': 'carol', Cookie: 'access_token=x' }), '200 carol')
  })

  test('a bad token is refused and never passed over', async () => {
    const bad = { expired: await idp.sign({ exp: 1 }), foreign: await idp.sign({ aud: 'grafana' }), none: '~' }
    for (const [what, value] of Object.entries(bad))
      assert.match(await ask(url, { 'Remote-User': 'carol', Authorization: `Bearer ${value}` }), /^401 token_/, what)
  })

  test('nobody at all: the log says what was looked for', async () => {
    assert.equal(await ask(url, { 'X-Forwarded-Uri': '/nobody' }), '401 identity_missing')
    const { message } = await logged(({ message = '' }) => message.startsWith('GET /nobody'))
    assert.match(message!, /no token, no session.*Remote-User/)
  })
})

describe('who may show a token', async () => {
  test('auth-only: an untrusted peer gets no credential, whatever it shows', async () => {
    const { url } = await startTokens(setting, idp, { flags: { trusted_proxies: '127.0.0.2' } })
    const response = await bearer(url, await token('bob'))
    assert.equal(response.headers.get('authorization'), null)
    assert.equal(await verdictOf(response), '401 peer_untrusted')
    const lines = ['GET / HTTP/1.1', 'Host: elastauth', `Authorization: Bearer ${await token('bob')}`]
    assert.equal((await exchange(url, lines, { localAddress: '127.0.0.2' })).status, 200)
  })

  test('proxy mode: anybody, and the token does not go on', async () => {
    const seen: string[][] = []
    const upstream = await startUpstream((request, response) => {
      seen.push(request.rawHeaders)
      response.end('ok')
    })
    const { url } = await startProxy(upstream.url, {
      flags: {
        auth_provider: 'oidc',
        trusted_proxies: 'none',
        'oidc.issuer': idp.issuer,
        'oidc.client_id': idp.clientId,
        'oidc.login': 'false',
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
    assert.equal(seen.length, 3)
    for (const headers of seen) {
      const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as const] : []))
      assert.deepEqual(headersOf({ headers: pairs }, 'authorization').map(userOf), ['bob'])
      assert.ok(!headers.join().includes(bob), 'the token went on')
    }
    assert.match(seen[2]!.join(), /sid=kibana/)
  })
})

describe('claims', async () => {
  const { url, logged } = await startTokens(setting, idp, {
    env: {
      ELASTAUTH_OIDC_CLAIM_MAPPINGS_USERNAME: 'email',
      ELASTAUTH_OIDC_CLAIM_MAPPINGS_GROUPS: 'resource_access.kibana.roles',
    },
  })

  test('an e-mail address as the username, and groups from within', async () => {
    const response = await bearer(url, await idp.sign())
    const { username, groups } = (await response.json()) as { username: string; groups: string[] }
    assert.deepEqual([username, groups], ['alice@example.com', ['admins', 'staff']])
  })

  test('an unverified address is nobody’s name', async () => {
    assert.equal(await verdictOf(await bearer(url, await idp.sign({ email_verified: false }))), '400 identity_invalid')
  })

  test('groups that Entra ID left out are not taken for none', async () => {
    const left = { resource_access: undefined, _claim_names: { 'resource_access.kibana.roles': 'src1' } }
    assert.equal(
      await verdictOf(await bearer(url, await idp.sign(left), { 'X-Forwarded-Uri': '/overage' })),
      '400 identity_invalid',
    )
    await logged(({ message = '' }) => message.startsWith('GET /overage') && message.includes('too many'))
  })
})

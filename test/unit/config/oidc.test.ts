import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const good = { issuer: 'https://id.example', client_id: 'elastauth', client_secret: 'hunter2' }

const usual = { auth_provider: 'oidc', forward_auth: { listen: '127.0.0.1:0' } }

function yaml(oidc: Record<string, unknown>, rest: Record<string, unknown> = usual): string {
  return `${minimal}${Object.entries({ ...rest, oidc: { ...good, ...oidc } })
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n')}\n`
}

test('issuer, client_id and client_secret are all it takes', () => {
  const { config, warnings } = load(yaml({}))
  assert.deepEqual(warnings, [])
  assert.equal(config.oidc.token_validation, 'jwks')
})

const faults: [what: string, oidc: Record<string, unknown>, expected: RegExp][] = [
  ['no issuer', { issuer: null }, /oidc.issuer is required with the provider oidc: write its issuer URL/],
  ['no client_id', { client_id: null }, /oidc.client_id is required/],
  [
    'no client_secret',
    { client_secret: null },
    /oidc.client_secret is required.*client_auth_method: none.*login: false/,
  ],
  ['http to another machine', { issuer: 'http://id.example' }, /oidc.issuer is not https/],
  ['http to a namesake of loopback', { issuer: 'http://localhost.example' }, /oidc.issuer is not https/],
  ['http to a private network', { jwks_uri: 'http://10.0.0.1/jwks' }, /oidc.jwks_uri is not https/],
  ['a symmetric algorithm', { algorithms: ['RS256', 'HS256'] }, /oidc.algorithms\[1\] "HS256" is not an asymmetric/],
  ['alg none', { algorithms: ['none'] }, /"none" is not an asymmetric signature algorithm/],
  ['no algorithm', { algorithms: [] }, /oidc.algorithms is empty/],
  ['all of Entra ID', { issuer: 'https://login.microsoftonline.com/common/v2.0' }, /all tenants/],
  ['any organisation', { issuer: 'https://login.microsoftonline.com/organizations/v2.0' }, /all tenants/],
  ['private_key_jwt without a key', { client_auth_method: 'private_key_jwt' }, /oidc.private_key is required/],
  ['a public client without PKCE', { client_auth_method: 'none', use_pkce: false }, /oidc.use_pkce is false/],
  [
    'a custom Authorization',
    { custom_headers: { authorization: 'x' } },
    /sets authorization, which elastauth controls/,
  ],
  ['a state of one’s own', { authorization_parameters: { state: 'x' } }, /sets state, which elastauth controls/],
  [
    'a parameter that is no text',
    { authorization_parameters: { max_age: 5 } },
    /has a number as the value of a parameter/,
  ],
  ['a token in Authorization', { token_header: 'Authorization' }, /is always read/],
  ['a token in Cookie', { token_header: 'cookie' }, /names a reserved header/],
  [
    'a token in the secret’s header',
    { token_header: 'X_Elastauth_Proxy_Secret' },
    /same header as proxy_secret_header/,
  ],
  ['a call of an hour', { timeout: '1h' }, /oidc.timeout is longer than 1m/],
  ['answers believed for an hour', { validation_ttl: '1h' }, /oidc.validation_ttl is longer than 5m/],
]

describe('a fault:', () => {
  for (const [what, oidc, expected] of faults) {
    test(what, () => {
      const lines = linesOf(() => load(yaml(oidc)))
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, expected)
      assert.doesNotMatch(lines[0]!, /hunter2/)
    })
  }

  test('not where oidc is not asked', () => {
    for (const [what, oidc] of faults.slice(0, 6))
      assert.deepEqual(
        linesOf(() => load(yaml(oidc, {}))),
        [],
        what,
      )
  })
})

describe('no fault:', () => {
  const fine: [what: string, oidc: Record<string, unknown>][] = [
    ['http to this machine', { issuer: 'http://127.0.0.1:9000' }],
    ['http to this machine by name', { issuer: 'http://localhost:9000' }],
    ['http to this machine, IPv6', { issuer: 'http://[::1]:9000' }],
    ['a public client', { client_auth_method: 'none', client_secret: null }],
    ['tokens only, without a secret', { login: false, client_secret: null }],
    ['one tenant of Entra ID', { issuer: 'https://login.microsoftonline.com/5d2c/v2.0' }],
  ]
  for (const [what, oidc] of fine) test(what, () => assert.deepEqual(load(yaml(oidc)).warnings, []))

  test('http to elsewhere where that is allowed, with a warning', () => {
    assert.match(load(yaml({ issuer: 'http://id.example', allow_http: true })).warnings.join(), /allow_http is true/)
  })

  test('userinfo alone, with a warning: it does not say for whom a token is', () => {
    assert.match(load(yaml({ token_validation: 'userinfo' })).warnings.join(), /other applications/)
  })
})

describe('auth_providers', () => {
  test('in the order they are asked', () => {
    const { config } = load(yaml({}, { auth_providers: ['oidc', 'authelia'] }))
    assert.deepEqual(config.auth_providers, ['oidc', 'authelia'])
  })

  const chains: [what: string, rest: Record<string, unknown>, expected: RegExp][] = [
    ['beside auth_provider', { auth_provider: 'oidc', auth_providers: ['oidc'] }, /is set together with auth_provider/],
    [
      'beside its default, written out',
      { auth_provider: 'authelia', auth_providers: ['oidc'] },
      /is set together with/,
    ],
    [
      'two that read headers',
      { auth_providers: ['authelia', 'oidc', 'tailscale'] },
      /authelia and tailscale, which both/,
    ],
    ['one that is none', { auth_providers: ['oidc', 'saml'] }, /auth_providers\[1\] "saml" is not one of the choices/],
    ['static before others', { auth_providers: ['static', 'oidc'], static: { username: 'dev' } }, /put static last/],
    ['static without a user', { auth_providers: ['oidc', 'static'] }, /static.username is required/],
  ]
  for (const [what, rest, expected] of chains) {
    test(`${what}: a fault`, () => {
      const lines = linesOf(() => load(yaml({}, rest)))
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, expected)
    })
  }

  test('an identity header in the token’s place', () => {
    const rest = { auth_providers: ['oidc', 'authelia'] }
    const lines = linesOf(() => load(yaml({ token_header: 'remote-user' }, rest)))
    assert.match(lines.join(), /oidc.token_header names the same header as username/)
  })
})

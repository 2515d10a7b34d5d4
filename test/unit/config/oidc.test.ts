import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const valid = { issuer: 'https://id.example', client_id: 'elastauth', client_secret: 'hunter2' }

const defaults = { auth_provider: 'oidc', forward_auth: { listen: '127.0.0.1:0' } }

function yaml(oidc: Record<string, unknown>, rest: Record<string, unknown> = defaults): string {
  return `${minimal}${Object.entries({ ...rest, oidc: { ...valid, ...oidc } })
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n')}\n`
}

test('the oidc section needs only issuer, client_id and client_secret', () => {
  const { config, warnings } = load(yaml({}))
  assert.deepEqual(warnings, [])
  assert.equal(config.oidc.token_validation, 'jwks')
})

const faults: [condition: string, oidc: Record<string, unknown>, expected: RegExp][] = [
  ['a missing issuer', { issuer: null }, /oidc.issuer is required with the provider oidc: write its issuer URL/],
  ['a missing client_id', { client_id: null }, /oidc.client_id is required/],
  [
    'a missing client_secret',
    { client_secret: null },
    /oidc.client_secret is required.*client_auth_method: none.*login: false/,
  ],
  ['an http issuer on another machine', { issuer: 'http://id.example' }, /oidc.issuer is not https/],
  [
    'an http issuer with a name that only begins with localhost',
    { issuer: 'http://localhost.example' },
    /oidc.issuer is not https/,
  ],
  ['an http endpoint in a private network', { jwks_uri: 'http://10.0.0.1/jwks' }, /oidc.jwks_uri is not https/],
  ['a symmetric algorithm', { algorithms: ['RS256', 'HS256'] }, /oidc.algorithms\[1\] "HS256" is not an asymmetric/],
  ['the algorithm none', { algorithms: ['none'] }, /"none" is not an asymmetric signature algorithm/],
  ['an empty list of algorithms', { algorithms: [] }, /oidc.algorithms is empty/],
  ['the common issuer of Entra ID', { issuer: 'https://login.microsoftonline.com/common/v2.0' }, /all tenants/],
  [
    'the organizations issuer of Entra ID',
    { issuer: 'https://login.microsoftonline.com/organizations/v2.0' },
    /all tenants/,
  ],
  ['private_key_jwt without a key', { client_auth_method: 'private_key_jwt' }, /oidc.private_key is required/],
  ['a public client without PKCE', { client_auth_method: 'none', use_pkce: false }, /oidc.use_pkce is false/],
  [
    'a custom Authorization header',
    { custom_headers: { authorization: 'x' } },
    /sets authorization, which elastauth controls/,
  ],
  ['a state parameter', { authorization_parameters: { state: 'x' } }, /sets state, which elastauth controls/],
  [
    'a parameter that is not text',
    { authorization_parameters: { max_age: 5 } },
    /has a number as the value of a parameter/,
  ],
  ['Cookie as the token header', { token_header: 'cookie' }, /names a reserved header/],
  [
    'another spelling of proxy_secret_header as the token header',
    { token_header: 'X_Elastauth_Proxy_Secret' },
    /same header as proxy_secret_header/,
  ],
  ['a timeout of an hour', { timeout: '1h' }, /oidc.timeout is longer than 1m/],
  ['a validation_ttl of an hour', { validation_ttl: '1h' }, /oidc.validation_ttl is longer than 5m/],
]

describe('the oidc section rejects', () => {
  for (const [condition, oidc, expected] of faults) {
    test(`the oidc section rejects ${condition}`, () => {
      const lines = linesOf(() => load(yaml(oidc)))
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, expected)
      assert.doesNotMatch(lines[0]!, /hunter2/)
    })
  }

  test('an invalid oidc section is not a fault if oidc is not a provider', () => {
    for (const [condition, oidc] of faults.slice(0, 6))
      assert.deepEqual(
        linesOf(() => load(yaml(oidc, {}))),
        [],
        condition,
      )
  })
})

describe('the oidc section accepts', () => {
  const accepted: [condition: string, oidc: Record<string, unknown>][] = [
    ['an http issuer on a loopback address', { issuer: 'http://127.0.0.1:9000' }],
    ['an http issuer on localhost', { issuer: 'http://localhost:9000' }],
    ['an http issuer on the IPv6 loopback address', { issuer: 'http://[::1]:9000' }],
    ['a public client', { client_auth_method: 'none', client_secret: null }],
    ['a missing client secret with login: false', { login: false, client_secret: null }],
    ['the issuer of one Entra ID tenant', { issuer: 'https://login.microsoftonline.com/5d2c/v2.0' }],
  ]
  for (const [condition, oidc] of accepted)
    test(`the oidc section accepts ${condition}`, () => assert.deepEqual(load(yaml(oidc)).warnings, []))

  test('the oidc section accepts an http issuer on another machine with allow_http, with a warning', () => {
    assert.match(load(yaml({ issuer: 'http://id.example', allow_http: true })).warnings.join(), /allow_http is true/)
  })

  test('the oidc section accepts token_validation: userinfo, with a warning that it does not check the audience', () => {
    assert.match(load(yaml({ token_validation: 'userinfo' })).warnings.join(), /other applications/)
  })
})

describe('auth_providers', () => {
  test('auth_providers keeps the order of the providers', () => {
    const { config } = load(yaml({}, { auth_providers: ['oidc', 'authelia'] }))
    assert.deepEqual(config.auth_providers, ['oidc', 'authelia'])
  })

  const invalidChains: [condition: string, rest: Record<string, unknown>, expected: RegExp][] = [
    [
      'a list together with auth_provider',
      { auth_provider: 'oidc', auth_providers: ['oidc'] },
      /is set together with auth_provider/,
    ],
    [
      'a list together with the default of auth_provider, if it is set',
      { auth_provider: 'authelia', auth_providers: ['oidc'] },
      /is set together with/,
    ],
    [
      'two providers that read headers',
      { auth_providers: ['authelia', 'oidc', 'tailscale'] },
      /authelia and tailscale, which both/,
    ],
    [
      'an unknown provider',
      { auth_providers: ['oidc', 'saml'] },
      /auth_providers\[1\] "saml" is not one of the choices/,
    ],
    [
      'static before other providers',
      { auth_providers: ['static', 'oidc'], static: { username: 'dev' } },
      /put static last/,
    ],
    ['static without a username', { auth_providers: ['oidc', 'static'] }, /static.username is required/],
  ]
  for (const [condition, rest, expected] of invalidChains) {
    test(`auth_providers rejects ${condition}`, () => {
      const lines = linesOf(() => load(yaml({}, rest)))
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, expected)
    })
  }

  test('oidc.token_header rejects the name of an identity header', () => {
    const rest = { auth_providers: ['oidc', 'authelia'] }
    const lines = linesOf(() => load(yaml({ token_header: 'remote-user' }, rest)))
    assert.match(lines.join(), /oidc.token_header names the same header as username/)
  })
})

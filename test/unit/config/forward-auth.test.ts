import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const faults = (yaml: string) => linesOf(() => load(minimal + yaml))
const loadForwardAuth = (yaml: string) => load(minimal + yaml).config.forward_auth

describe('forward_auth.path_prefix', () => {
  for (const prefix of ['/authorize', '/a/b-c/d_e', '/9', '/elastaut', '/x/elastauth']) {
    test(`forward_auth.path_prefix accepts ${prefix}`, () =>
      assert.equal(loadForwardAuth(`forward_auth: { path_prefix: ${prefix} }`).path_prefix, prefix))
  }
  for (const prefix of [
    '/',
    '//',
    '/authorize/',
    '//authorize',
    '/a//b',
    'authorize',
    '/a b',
    '/a?b',
    '/a#b',
    '/a%2fb',
    '/a.b',
    '/.',
    '/..',
    '/a/../b',
    '/a;b',
    '/a\\b',
    '/é',
    '/elastauth',
    '/elastauth/x',
    '/elastauthorize',
    '/ELASTAUTH/x',
  ]) {
    test(`forward_auth.path_prefix rejects ${prefix}, which is not a plain path or is below /elastauth`, () => {
      const [line, ...rest] = faults(`forward_auth: { path_prefix: ${JSON.stringify(prefix)} }`)
      assert.match(line!, /^3 forward_auth\.path_prefix .*is not a path for sub-requests: write e\.g\. \/authorize/)
      assert.deepEqual(rest, [])
    })
  }
})

describe('forward_auth.listen', () => {
  test('forward_auth.listen accepts one address or a list, and is not set by default', () => {
    assert.equal(loadForwardAuth('').listen, null)
    assert.deepEqual(loadForwardAuth('forward_auth: { listen: ":5001" }').listen, [':5001'])
    assert.deepEqual(loadForwardAuth('forward_auth: { listen: [":5001", "unix:/a.sock"] }').listen, [
      ':5001',
      'unix:/a.sock',
    ])
  })

  test('forward_auth.listen rejects an empty list and invalid addresses', () => {
    assert.match(faults('forward_auth: { listen: [] }').join(), /^3 forward_auth\.listen is empty: write host:port/)
    assert.match(
      faults('forward_auth: { listen: [":5001", nowhere] }').join(),
      /^3 forward_auth\.listen\[1\] "nowhere" is not an address/,
    )
  })

  test('forward_auth.listen rejects an address that listen also has, even with another scheme', () => {
    for (const [listen, own] of [
      ['":6000"', '":6000"'],
      ['":6000"', '"http://:6000"'],
      ['[":6001", "unix:/a.sock"]', '[":6002", "http://unix:/a.sock"]'],
    ]) {
      const lines = faults(`listen: ${listen}\nforward_auth: { listen: ${own} }`)
      assert.match(
        lines.join(),
        /^\d forward_auth\.listen\[\d\] is the same address as listen\[\d\]: remove one of them$/,
      )
    }
    assert.deepEqual(faults('listen: ":0"\nforward_auth: { listen: ":0" }'), [])
  })

  test('forward_auth.listen requires tls.cert for https, like listen', () => {
    const lines = faults('forward_auth: { listen: "https://:5001" }')
    assert.match(lines.join(), /tls\.cert is required for forward_auth\.listen\[0\], which is https/)
  })

  test('forward_auth.listen rejects addresses that other machines can reach with the static provider, like listen', () => {
    const yaml = 'auth_provider: static\nstatic: { username: dev }\nforward_auth: { listen: "0.0.0.0:5001" }'
    assert.match(
      faults(yaml).join(),
      /forward_auth\.listen can be reached from other machines, where every client would be the static user/,
    )
    assert.deepEqual(faults(yaml.replace('0.0.0.0', '127.0.0.1')), [])
    assert.deepEqual(faults(yaml.replace('username: dev', 'username: dev, allow_remote: true')), [])
  })
})

test('forward_auth.listen and path_prefix are faults in proxy mode, which has no sub-requests', () => {
  const yaml =
    'proxy: { enabled: true, elasticsearch_url: "http://es:9200" }\nforward_auth: { listen: ":5001", path_prefix: /a }'
  assert.deepEqual(faults(yaml), [
    '4 forward_auth.listen is set, but proxy mode does not serve sub-requests: remove it, or set proxy.enabled: false',
    '4 forward_auth.path_prefix is set, but proxy mode does not serve sub-requests: remove it, or set proxy.enabled: false',
  ])
})

describe('a warning at startup about sub-requests without a separate listener', () => {
  const oidc = 'oidc: { issuer: "https://id.example", client_id: x, client_secret: y }\n'
  const warnings = (yaml: string) =>
    load(minimal + yaml).warnings.filter((text) => text.includes('forward_auth.listen'))

  test('warns that sub-requests have no separate listener if oidc is the provider or one of several', () => {
    for (const provider of ['auth_provider: oidc\n', 'auth_providers: [oidc, authelia]\n']) {
      assert.match(warnings(provider + oidc).join(), /forward_auth\.listen is not set/)
    }
  })
  test('does not warn about a missing sub-request listener with forward_auth.listen, with login: false, in proxy mode, or without OpenID Connect', () => {
    for (const yaml of [
      `auth_provider: oidc\n${oidc}forward_auth: { listen: ":5001" }`,
      `auth_provider: oidc\n${oidc.replace('client_id', 'login: false, client_id')}`,
      `auth_provider: oidc\n${oidc}proxy: { enabled: true, elasticsearch_url: "http://es:9200" }`,
      'auth_provider: authelia',
    ]) {
      assert.deepEqual(warnings(yaml), [], yaml)
    }
  })
})

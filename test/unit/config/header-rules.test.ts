import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const cases: [condition: string, yaml: string, expected: RegExp][] = [
  [
    'a groups header that is the username header of the preset',
    'headers: { groups: Remote-User }',
    /^3 headers.groups .*username/,
  ],
  [
    'a username header that is the groups header of the preset',
    'headers: { username: remote-groups }',
    /^3 headers.username .*groups/,
  ],
  ['one header for groups and email', 'headers: { groups: X-A, email: X-A }', /^3 headers.email .*groups/],
  [
    'a groups header that is another spelling of the username header',
    'headers: { groups: Remote_User }',
    /^3 headers.groups .*username/,
  ],
  [
    'a groups header that is a dotted spelling of the name header',
    'headers: { groups: remote.name }',
    /^3 headers.groups .*name/,
  ],
  [
    'one header in two spellings for username and email',
    'headers: { email: Remote_User }',
    /^3 headers.email .*spelling/,
  ],
  [
    'the username header in the legacy key of the groups header',
    'authelia: { header_groups: Remote-User }',
    /^3 authelia.header_groups .*username/,
  ],
  [
    'a groups header that is the username header of the configured preset',
    'auth_provider: authentik\nheaders: { groups: X-authentik-username }',
    /^4 headers.groups .*username/,
  ],
  [
    'a proxy_secret_header that is the username header of the preset',
    'proxy_secret_header: Remote-User',
    /^3 proxy_secret_header .*username/,
  ],
  [
    'a proxy_secret_header that is another spelling of the groups header',
    'proxy_secret_header: REMOTE_GROUPS',
    /^3 proxy_secret_header .*groups/,
  ],
  [
    'an identity header that is another spelling of proxy_secret_header',
    'headers: { name: x_elastauth.proxy-secret }',
    /^3 headers.name names the same header as proxy_secret_header/,
  ],
]

for (const [condition, yaml, expected] of cases) {
  test(`rejects ${condition}`, () => {
    const lines = linesOf(() => load(`${minimal}${yaml}`))
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0]!, expected)
  })
}

test('rejects reserved headers as identity headers and as proxy_secret_header', () => {
  const reserved = [
    ...['Connection', 'Host', 'Authorization', 'Cookie', 'Proxy-Authorization', 'Content-Length', 'Transfer-Encoding'],
    ...['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Uri', 'X-Forwarded-Method'],
    ...['Forwarded', 'HOST', 'X_Forwarded.For', 'X-Request-Id', 'X_Request_Id', 'Traceparent', 'X-Opaque-Id'],
  ]
  for (const name of reserved) {
    for (const [yaml, key] of [
      [`headers: { username: ${name} }`, 'headers.username'],
      [`authelia: { header_email: ${name} }`, 'authelia.header_email'],
      [`proxy_secret_header: ${name}`, 'proxy_secret_header'],
      [`auth_provider: static\nstatic: { username: a }\nproxy_secret_header: ${name}`, 'proxy_secret_header'],
    ] as const) {
      const lines = linesOf(() => load(`${minimal}${yaml}`))
      assert.equal(lines.length, 1, `${name}: ${lines.join('\n')}`)
      assert.match(lines[0]!, new RegExp(`^\\d ${key} .*names a reserved header`))
    }
  }
})

test('accepts a header that username, email and name share, and the headers of every preset', () => {
  assert.ok(load(`${minimal}headers: { username: Remote-Email, name: remote-email }`))
  for (const preset of ['authelia', 'authentik', 'oauth2-proxy', 'tailscale', 'headers'])
    assert.ok(load(`${minimal}auth_provider: ${preset}`))
})

test('accepts any header names with the static provider, which reads no headers', () => {
  assert.ok(load(`${minimal}auth_provider: static\nstatic: { username: a }\nproxy_secret_header: Remote-User`))
})

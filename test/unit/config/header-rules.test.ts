import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const refused: [what: string, yaml: string, expected: RegExp][] = [
  ['groups from the preset’s username', 'headers: { groups: Remote-User }', /^3 headers.groups .*username/],
  ['the username from the preset’s groups', 'headers: { username: remote-groups }', /^3 headers.username .*groups/],
  ['groups and e-mail in one header', 'headers: { groups: X-A, email: X-A }', /^3 headers.email .*groups/],
  ['groups in another spelling', 'headers: { groups: Remote_User }', /^3 headers.groups .*username/],
  ['groups in another spelling, dotted', 'headers: { groups: remote.name }', /^3 headers.groups .*name/],
  ['one header in two spellings', 'headers: { email: Remote_User }', /^3 headers.email .*spelling/],
  ['the older spelling, too', 'authelia: { header_groups: Remote-User }', /^3 authelia.header_groups .*username/],
  [
    'another preset’s names',
    'auth_provider: authentik\nheaders: { groups: X-authentik-username }',
    /^4 headers.groups .*username/,
  ],
  [
    'the preset’s username as proxy_secret_header',
    'proxy_secret_header: Remote-User',
    /^3 proxy_secret_header .*username/,
  ],
  ['the same in another spelling', 'proxy_secret_header: REMOTE_GROUPS', /^3 proxy_secret_header .*groups/],
  [
    'an identity header in the secret’s other spelling',
    'headers: { name: x_elastauth.proxy-secret }',
    /^3 headers.name names the same header as proxy_secret_header/,
  ],
]

for (const [what, yaml, expected] of refused) {
  test(`${what}: a fault`, () => {
    const lines = linesOf(() => load(`${minimal}${yaml}`))
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0]!, expected)
  })
}

test('headers with a meaning of their own carry neither an identity nor the proxy secret', () => {
  const taken = [
    ...['Connection', 'Host', 'Authorization', 'Cookie', 'Proxy-Authorization', 'Content-Length', 'Transfer-Encoding'],
    ...['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Uri', 'X-Forwarded-Method'],
    ...['Forwarded', 'HOST', 'X_Forwarded.For'],
  ]
  for (const name of taken) {
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

test('username, e-mail and name may share a header; every preset is free of clashes', () => {
  assert.ok(load(`${minimal}headers: { username: Remote-Email, name: remote-email }`))
  for (const preset of ['authelia', 'authentik', 'oauth2-proxy', 'tailscale', 'headers'])
    assert.ok(load(`${minimal}auth_provider: ${preset}`))
})

test('static reads no headers, so their names do not matter', () => {
  assert.ok(load(`${minimal}auth_provider: static\nstatic: { username: a }\nproxy_secret_header: Remote-User`))
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { key, load } from './fixture.ts'

const account = 'elasticsearch: { username: elastauth, password: changeme, hosts: ["https://es:9200"] }'
const api = 'elasticsearch: { api_key: x, hosts: ["https://es:9200"] }'
const upstream = 'proxy: { enabled: true, elasticsearch_url: "https://es:9200" }'

function warningsOf(yaml: string, env: Readonly<Record<string, string>> = {}): string {
  const withAccount = yaml.includes('elasticsearch:') ? yaml : `${account}\n${yaml}`
  return load(`secret_key: ${key}\n${withAccount}\n`, { env }).warnings.join('\n')
}

const risky: [condition: string, yaml: string, expected: RegExp][] = [
  [
    'elastic as the service account',
    'elasticsearch: { username: elastic, password: x, hosts: ["https://es:9200"] }',
    /^elasticsearch\.username is elastic, the built-in superuser: .*manage_security/,
  ],
  [
    'a service account whose password travels over plain http to another host',
    'elasticsearch: { username: a, password: x, hosts: ["http://localhost:9200", "http://es:9200"] }',
    /^http:\/\/es:9200 \(elasticsearch\.hosts\) is not https: .*credentials/,
  ],
  [
    'an API key that travels over plain http to another host',
    'elasticsearch: { api_key: x, hosts: ["http://10.0.0.1:9200"] }',
    /^http:\/\/10\.0\.0\.1:9200 \(elasticsearch\.hosts\) is not https/,
  ],
  [
    'an upstream that gets credentials over plain http on another host',
    'proxy: { enabled: true, elasticsearch_url: "http://es:9200" }',
    /^http:\/\/es:9200 \(proxy\.elasticsearch_url\) is not https/,
  ],
  [
    'a route whose upstream gets credentials over plain http on another host',
    'proxy: { enabled: true, routes: [{ upstreams: ["http://kibana:5601"] }] }',
    /^http:\/\/kibana:5601 \(proxy\.routes\[0\]\) is not https/,
  ],
  [
    'a listener that other machines reach, with the default trusted_proxies',
    'listen: "0.0.0.0:5000"',
    /^trusted_proxies is not set, so every machine with a private address that reaches 0\.0\.0\.0:5000 can impersonate any user: /,
  ],
  [
    'a sub-request listener that other machines reach, with the default trusted_proxies',
    'forward_auth: { listen: ":5001" }',
    /^trusted_proxies is not set, .* reaches :5001 can impersonate any user/,
  ],
  [
    'proxy mode with identity headers on a listener that other machines reach, with the default trusted_proxies',
    `listen: ":5000"\n${upstream}`,
    /^trusted_proxies is not set, .*In proxy mode clients connect to it directly/,
  ],
  ['group_mappings that give every group superuser', 'group_mappings: { "*": [superuser] }', /everyone.* superuser/],
  [
    'group_mappings that give every group superuser, with two asterisks',
    'group_mappings: { "**": superuser }',
    /everyone.* superuser/,
  ],
  ['superuser among the default roles', 'default_roles: [viewer, superuser]', /default_roles .*superuser/],
  ['a role of the same name for every group', 'group_mappings: { "*": ["{group}"] }', /a group named superuser/],
  [
    'a role of the same name for groups that may be named superuser',
    'group_mappings: { "s*R": ["{group}"] }',
    /"s\*R".* a group named superuser/,
  ],
  [
    'a unix socket that every program on the machine may open, with unix in trusted_proxies',
    'listen: "unix:/run/e.sock"\nlisten_mode: "0777"\ntrusted_proxies: [unix]',
    /^listen_mode is 0777 .*every program on this machine can impersonate any user/,
  ],
  [
    'proxy.elasticsearch_url without proxy.enabled',
    'proxy: { elasticsearch_url: "https://es:9200" }',
    /^proxy\.elasticsearch_url is set but not used: set proxy\.enabled: true/,
  ],
  [
    'proxy.routes without proxy.enabled',
    'proxy: { routes: [{ upstreams: ["https://kibana:5601"] }] }',
    /^proxy\.routes is set but not used: set proxy\.enabled: true/,
  ],
]

for (const [condition, yaml, expected] of risky)
  test(`warns about ${condition}`, () => assert.match(warningsOf(yaml), expected))

const widePeers = ['0.0.0.0/0', '::/0', '0.0.0.0/1", "128.0.0.0/1', '8.0.0.0/7', '2000::/3', '::/8', '::ffff:0:0/96']

for (const peers of widePeers)
  test(`warns that trusted_proxies with "${peers}" trusts a large part of the internet, unless there is a proxy_secret`, () => {
    const yaml = `trusted_proxies: ["${peers}"]`
    assert.match(warningsOf(yaml), /^trusted_proxies .*every client that reaches the listener can impersonate any user/)
    assert.equal(warningsOf(`${yaml}\nproxy_secret: 0123456789abcdef`), '')
  })

const accepted: [condition: string, yaml: string][] = [
  ['an account of its own over https', account],
  ['an API key over https', api],
  ['plain http to this machine', 'elasticsearch: { username: a, password: x, hosts: ["http://127.0.0.1:9200"] }'],
  ['plain http in a dry run, which sends no password', 'elasticsearch: { dry_run: true, hosts: ["http://es:9200"] }'],
  [
    'plain http to an upstream that gets no credential',
    'proxy: { enabled: true, routes: [{ upstreams: ["http://app:80"], auth: none }] }',
  ],
  [
    'plain http to an upstream of a route with credential: none',
    'proxy: { enabled: true, routes: [{ upstreams: ["http://app:80"], credential: none }] }',
  ],
  ['0.0.0.0 with trusted_proxies', 'listen: "0.0.0.0:5000"\ntrusted_proxies: [private]'],
  ['0.0.0.0 with a proxy_secret', 'listen: "0.0.0.0:5000"\nproxy_secret: 0123456789abcdef'],
  [
    '0.0.0.0 without identity headers',
    'listen: "0.0.0.0:5000"\nauth_provider: oidc\noidc: { issuer: "https://id", client_id: a, login: false }',
  ],
  ['the largest private networks', 'trusted_proxies: [10.0.0.0/8, "fc00::/7", "fe80::/10"]'],
  ['the addresses of one IPv4 network in IPv6 notation', 'trusted_proxies: ["::ffff:10.0.0.0/104"]'],
  ['superuser for one group', 'group_mappings: { admins: [superuser], "admin*": [superuser] }'],
  [
    'roles that a group name is only a part of',
    'group_mappings: { "*": ["{group}-reader"], "team-*": ["{group}"], superuser: ["{group}"] }',
  ],
  [
    'a unix socket for one group of the system',
    'listen: "unix:/run/e.sock"\nlisten_mode: "0770"\ntrusted_proxies: [unix]',
  ],
  [
    'a unix socket for all without trusted peers',
    'listen: "unix:/run/e.sock"\nlisten_mode: "0777"\ntrusted_proxies: [none]',
  ],
  [
    'upstreams that are ready for proxy mode, which is off',
    'proxy: { enabled: false, elasticsearch_url: "https://es:9200" }',
  ],
]

for (const [condition, yaml] of accepted)
  test(`does not warn about ${condition}`, () => {
    const warnings = warningsOf(yaml)
    assert.doesNotMatch(warnings, /https|trusted_proxies|superuser|listen_mode|proxy\.|elastic,/)
  })

describe('ELASTAUTH_LISTEN, which the image sets', () => {
  const yaml = 'trusted_proxies: [private]\nlisten: "unix:/run/e.sock"'

  test('a listen in the file that ELASTAUTH_LISTEN overrides causes a warning that names both', () => {
    assert.match(
      warningsOf(yaml, { ELASTAUTH_LISTEN: ':5000' }),
      /^ELASTAUTH_LISTEN=:5000 overrides listen in .*config\.yml:4 .*the image of elastauth sets it.*empty/,
    )
  })

  test('a listen in the file that ELASTAUTH_LISTEN does not change causes no warning', () => {
    for (const [file, variable] of [
      ['0.0.0.0:5000', ':5000'],
      ['[::]:5000', '0.0.0.0:5000'],
      ['127.0.0.1:1', '127.0.0.1:1'],
      [':1', ''],
    ] as const)
      assert.equal(
        warningsOf(`trusted_proxies: [private]\nlisten: "${file}"`, { ELASTAUTH_LISTEN: variable }),
        '',
        `${file} ${variable}`,
      )
  })
})

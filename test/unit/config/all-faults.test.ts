import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const faults = (yaml: string) => linesOf(() => load(minimal + yaml))

const lists: [key: string, yaml: string, expected: string[]][] = [
  [
    'trusted_proxies',
    'trusted_proxies:\n  - 172.20.0.5/8\n  - localhost\n  - loopback\n  - 10.64.0.0/9\n',
    [
      '4 trusted_proxies[0] "172.20.0.5/8" is an address within a network, and would trust the whole network',
      '5 trusted_proxies[1] "localhost" is not an address, a network or one of the words',
      '7 trusted_proxies[3] "10.64.0.0/9" is an address within a network, and would trust the whole network',
    ],
  ],
  [
    'trusted_proxies with a word that must be alone',
    'trusted_proxies:\n  - none\n  - localhost\n',
    [
      '3 trusted_proxies has none together with other entries',
      '5 trusted_proxies[1] "localhost" is not an address, a network or one of the words',
    ],
  ],
  [
    'listen',
    'listen:\n  - 127.0.0.1\n  - :5000\n  - unix:a.sock\n',
    [
      '4 listen[0] "127.0.0.1" is not an address to listen on',
      '6 listen[2] "unix:a.sock" is not an address to listen on',
    ],
  ],
  [
    'audit.elasticsearch.hosts',
    'audit:\n  elasticsearch:\n    hosts:\n      - es:9200\n      - https://es:9200?a\n      - https://es:9200\n',
    [
      '6 audit.elasticsearch.hosts[0] "es:9200" is not an http or https URL',
      '7 audit.elasticsearch.hosts[1] "https://es:9200?a" has a query or a fragment',
    ],
  ],
  [
    'static.groups',
    `static:\n  groups:\n${Array.from({ length: 1001 }, (_, i) => `    - g${i}\n`).join('')}    - ""\n`,
    ['4 static.groups has more than 1000 groups', '1006 static.groups[1001] "" is not a group name'],
  ],
  [
    'a list with duplicates before the fault',
    'default_roles:\n  - viewer\n  - viewer\n  - " editor"\n',
    ['6 default_roles[2] " editor" is not a role name'],
  ],
]

for (const [name, yaml, expected] of lists) {
  test(`all faults in a list are reported at once, each with its line: ${name}`, () => {
    assert.deepEqual(withoutFixes(faults(yaml)), expected)
  })
}

const maps: [part: string, yaml: string, expected: string[]][] = [
  [
    'a route without upstreams',
    'proxy:\n  routes:\n    - path: kibana\n      auth: maybe\n      strip_paht: true\n',
    [
      '5 proxy.routes[0] has a route without upstreams',
      '5 proxy.routes[0].path has a malformed path',
      '6 proxy.routes[0].auth has a malformed auth',
      '7 proxy.routes[0].strip_paht has the unknown key "strip_paht"',
    ],
  ],
  [
    'a user without a password hash',
    'users:\n  inline:\n    bob:\n      email: bob\n      disabled: maybe\n',
    [
      '6 users.inline.bob has no password_hash',
      '6 users.inline.bob.email is not an email address',
      '7 users.inline.bob.disabled is not true or false',
    ],
  ],
  [
    'a group with an invalid name',
    'group_mappings:\n  " staff":\n    - " viewer"\n    - " editor"\n',
    [
      '5 group_mappings. staff has a group name that is empty, too long, or begins or ends with a space',
      '5 group_mappings. staff[0] " viewer" is not a role name',
      '6 group_mappings. staff[1] " editor" is not a role name',
    ],
  ],
]

for (const [part, yaml, expected] of maps) {
  test(`all faults of an entry are reported at once, each with its line: ${part}`, () => {
    assert.deepEqual(withoutFixes(faults(yaml)), expected)
  })
}

test('a URL with credentials and a query is reported with both faults', () => {
  assert.deepEqual(withoutFixes(faults('audit: { elasticsearch: { hosts: ["https://u:p@es/?a"] } }')), [
    '3 audit.elasticsearch.hosts[0] "https://********@es/?a" has credentials in the URL',
    '3 audit.elasticsearch.hosts[0] "https://********@es/?a" has a query or a fragment',
  ])
})

/** Fixes begin after the first colon that a space follows. */
function withoutFixes(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/: .*/, ''))
}

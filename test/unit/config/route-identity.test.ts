import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const routeWith = (keys: string) =>
  `${minimal}proxy:\n  enabled: true\n  routes:\n    - { upstreams: ["https://a"], ${keys} }\n`

describe('credential and identity_headers of a route', () => {
  test('a route forwards the credential of the user and no identity headers, unless it says otherwise', () => {
    const { credential, identity_headers } = load(routeWith('path: /')).config.proxy.routes[0]!
    assert.deepEqual([credential, identity_headers], ['user', false])
  })

  const accepted = [
    'credential: none',
    'credential: none, identity_headers: true',
    'credential: user, identity_headers: true',
    'credential: none, headers: { Authorization: Basic eDp5 }',
    'auth: none, credential: none',
    'headers: { Remote-User: static }',
  ]
  for (const keys of accepted) test(`accepts a route with ${keys}`, () => assert.ok(load(routeWith(keys))))

  const rejected: [keys: string, expected: RegExp][] = [
    ['credential: own', /^6 proxy\.routes\[0\]\.credential .*malformed credential: write user or none/],
    ['identity_headers: "yes"', /^6 proxy\.routes\[0\]\.identity_headers .*write true or false/],
    [
      'auth: none, identity_headers: true',
      /proxy\.routes\[0\] has identity_headers, but auth: none.*write auth: required/,
    ],
    ['headers: { Authorization: Basic eDp5 }', /sets Authorization.*write credential: none or auth: none/],
    [
      'identity_headers: true, headers: { remote_groups: admins }',
      /sets remote_groups, which identity_headers sets: remove one of them/,
    ],
  ]
  for (const [keys, expected] of rejected) {
    test(`rejects a route with ${keys}`, () => {
      const [line, ...others] = linesOf(() => load(routeWith(keys)))
      assert.match(line ?? '', expected)
      assert.deepEqual(others, [])
    })
  }
})

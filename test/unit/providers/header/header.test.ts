import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { headerPresets } from '../../../../config/header-presets.ts'
import type { RequestIdentity } from '../../../../src/auth/identity.ts'
import type { GatewayError } from '../../../../src/http/errors.ts'
import { createProvider, type ProviderOptions } from '../../../../src/providers/index.ts'
import { contextOf } from '../../../support/request-context.ts'

const create = (options: Partial<ProviderOptions> = {}) => {
  const identify = createProvider({
    names: ['authelia'],
    headers: headerPresets.authelia,
    static: { username: 'dev', groups: [], email: null, name: null },
    ...options,
  })
  return (rawHeaders: string[], isTrusted = true) => {
    const { identity, isAmbient } = identify(contextOf({ rawHeaders }, isTrusted)) as RequestIdentity
    assert.equal(isAmbient, true) // the proxy adds it to every request
    return identity
  }
}
const identify = create()
/** A header value as Node decodes it. */
const asLatin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
const withGroups = (groups: string) => identify(['Remote-User', 'bob', 'Remote-Groups', asLatin1(groups)]).groups

describe('presets', () => {
  for (const name of ['authelia', 'authentik', 'oauth2-proxy', 'tailscale', 'headers'] as const) {
    test(`the preset ${name} reads username, groups, email address and name`, () => {
      const { username, groups, email, name: fullName, groupsSeparator } = headerPresets[name]
      const raw = [username, 'bob', groups, `a${groupsSeparator}b`, email, 'bob@example.com', fullName, 'Bob']
      const expected = { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Bob', provider: name }
      assert.deepEqual(create({ names: [name], headers: headerPresets[name] })(raw), expected)
    })
  }

  test('the preset authentik separates groups by |, and a comma is part of a name', () => {
    const raw = ['X-authentik-username', 'bob', 'X-authentik-groups', 'authentik Admins|Staff, all| |staff']
    assert.deepEqual(create({ names: ['authentik'], headers: headerPresets.authentik })(raw).groups, [
      'authentik Admins',
      'Staff, all',
      'staff',
    ])
  })

  test('a configured header name or separator replaces only that of the preset', () => {
    const headers = { ...headerPresets.authelia, username: 'X-User', groupsSeparator: ';' }
    const found = create({ headers })(['x-user', 'bob', 'Remote-Groups', 'a;b,c', 'Remote-User', 'eve'])
    assert.deepEqual([found.username, found.groups], ['bob', ['a', 'b,c']])
  })

  test('the static provider gives each trusted peer the configured identity, and rejects other peers', () => {
    const staticUser = { username: 'dev', groups: ['a'], email: null, name: 'Dev' }
    const asStatic = create({ names: ['static'], static: staticUser })
    const expected = { username: 'dev', groups: ['a'], name: 'Dev', provider: 'static' }
    assert.deepEqual(asStatic(['Remote-User', 'eve']), expected)
    assert.throws(() => asStatic([], false), { code: 'peer_untrusted' })
    assert.equal(asStatic([]), asStatic([]))
  })
})

test('groups are missing without a groups header, but not with an empty groups header', () => {
  const named = ['Remote-User', 'bob']
  assert.deepEqual(identify(named), { username: 'bob', groups: [], groupsMissing: true, provider: 'authelia' })
  for (const empty of ['', ' ', ', ,']) {
    assert.deepEqual(identify([...named, 'Remote-Groups', empty]), {
      username: 'bob',
      groups: [],
      provider: 'authelia',
    })
  }
  assert.equal(identify(named), identify(named))
})

test('static groups are never missing, even if none are configured', () => {
  assert.ok(!('groupsMissing' in create({ names: ['static'] })([])))
})

describe('identity headers from trusted and untrusted peers', () => {
  test('a request without a username is rejected with identity_missing, whether or not the peer is trusted', () => {
    for (const isTrusted of [true, false]) {
      assert.throws(() => identify(['Host', 'es'], isTrusted), {
        code: 'identity_missing',
        detail: /missing authentication headers/,
      })
      assert.throws(() => identify(['Remote-User', ''], isTrusted), { code: 'identity_missing' })
    }
  })

  test('an untrusted peer is rejected with each identity header, even if the identity is cached', () => {
    identify(['Remote-User', 'bob'])
    for (const name of ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name'])
      assert.throws(() => identify([name, 'bob'], false), { code: 'peer_untrusted' })
  })

  test('groups without a username are rejected with identity_missing', () => {
    assert.throws(() => identify(['Remote-Groups', 'admins']), { code: 'identity_missing' })
  })

  test('the error message for an invalid identity header does not contain its value', () => {
    assert.throws(
      () => identify(['Remote-User', 'hunter2'], false),
      ({ message }: Error) => !message.includes('hunter2'),
    )
  })
})

describe('header values', () => {
  test('decodes identity header values as UTF-8', () => {
    const raw = [
      'Remote-User',
      'bob',
      'Remote-Name',
      asLatin1('Žofie 李 💥'),
      'Remote-Groups',
      asLatin1('équipe,グループ'),
    ]
    const { name, groups } = identify(raw)
    assert.deepEqual([name, groups], ['Žofie 李 💥', ['équipe', 'グループ']])
  })

  const malformed: [string, string][] = [
    ['Latin-1', 'J\xf6rg'],
    ['an incomplete character', '\xc3'],
    ['an overlong encoding of /', '\xc0\xaf'],
    ['a surrogate', '\xed\xa0\x80'],
    ['a code point beyond Unicode', '\xf4\x90\x80\x80'],
    ['a lone continuation byte', 'a\x80'],
  ]
  for (const [what, value] of malformed) {
    test(`rejects identity header values with ${what} instead of guessing their encoding`, () => {
      for (const name of ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name']) {
        const raw = name === 'Remote-User' ? [name, value] : ['Remote-User', 'bob', name, value]
        assert.throws(() => identify(raw), { code: 'identity_invalid' })
      }
    })
  }

  test('keeps a character whose last byte is A0 at the end of an identity header value', () => {
    const raw = ['Remote-User', 'bob', 'Remote-Name', asLatin1('Nicolà'), 'Remote-Groups', asLatin1('Università')]
    const { name, groups } = identify(raw)
    assert.deepEqual([name, groups], ['Nicolà', ['Università']])
  })

  test('does not percent-decode an identity header value, and keeps HTML', () => {
    const { name } = identify(['Remote-User', 'bob', 'Remote-Name', '%00%0d%0a<script>&amp;'])
    assert.equal(name, '%00%0d%0a<script>&amp;')
  })

  test('keeps a comma in the username for checkIdentity to reject', () => {
    assert.equal(identify(['Remote-User', 'bob, admin']).username, 'bob, admin')
  })

  test('keeps a byte order mark before the username, so that the name does not become another username', () => {
    assert.notEqual(identify(['Remote-User', asLatin1('\ufeffbob')]).username, 'bob')
  })
})

describe('the groups header', () => {
  const lists: [string, string[]][] = [
    ['', []],
    [',', []],
    [' , ,\t,', []],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [' a ,\tb ,', ['a', 'b']],
    ['b,a,b, a', ['b', 'a']],
    ['a,A', ['a', 'A']],
    ['domain users,x', ['domain users', 'x']],
    ['a|b;c', ['a|b;c']],
  ]
  for (const [value, groups] of lists)
    test(`reads the groups ${JSON.stringify(groups)} from ${JSON.stringify(value)}`, () =>
      assert.deepEqual(withGroups(value), groups))

  for (const space of ['\u00a0', '\ufeff', '\u3000', '\u2003']) {
    test(`keeps U+${space.charCodeAt(0).toString(16)} as part of a group name, so that the name does not become the group admins`, () =>
      assert.deepEqual(withGroups(`x,${space}admins`), ['x', `${space}admins`]))
  }

  test('keeps 5,000 groups for checkIdentity to reject', () => {
    assert.equal(withGroups(Array.from({ length: 5000 }, (_, i) => `g${i}`).join()).length, 5000)
  })
})

describe('the cache of identities', () => {
  const raw = ['Remote-User', 'bob', 'Remote-Groups', 'a,b', 'Remote-Email', 'bob@example.com', 'Remote-Name', 'Bob']

  test('the cache returns the same frozen identity for the same identity headers', () => {
    const first = identify(raw)
    assert.equal(identify(['Host', 'x', ...raw, 'Cookie', 'y']), first)
    assert.ok(Object.isFrozen(first) && Object.isFrozen(first.groups))
  })

  test('the cache returns another identity if one identity header differs', () => {
    const first = identify(raw)
    for (const i of [1, 3, 5, 7]) {
      const other = identify(raw.with(i, 'c'))
      assert.notEqual(other, first)
      assert.notDeepEqual(other, first)
    }
  })

  test('the cache distinguishes the same value in different identity headers', () => {
    const one = identify(['Remote-User', 'bob', 'Remote-Email', 'x'])
    const two = identify(['Remote-User', 'bob', 'Remote-Name', 'x'])
    const three = identify(['Remote-User', 'bob', 'Remote-Groups', 'x'])
    assert.deepEqual([one.email, two.name, three.groups], ['x', 'x', ['x']])
  })

  test('the cache evicts the oldest identities beyond 8 Mi characters', () => {
    const identify = create()
    const huge = (user: number) => ['Remote-User', `user-${user}`, 'Remote-Groups', 'g'.repeat(60_000)]
    const first = identify(huge(0))
    assert.equal(identify(huge(0)), first)
    for (let user = 1; user < 150; user++) identify(huge(user))
    assert.notEqual(identify(huge(0)), first)
  })

  test('the cache evicts the oldest identity beyond 4,096 identities', () => {
    const identify = create()
    const first = identify(raw)
    for (let i = 0; i < 4096; i++) identify(['Remote-User', `user-${i}`])
    assert.notEqual(identify(raw), first)
    assert.deepEqual(identify(raw), first)
  })

  test('rejects invalid identity headers each time', () => {
    for (let i = 0; i < 2; i++) assert.throws(() => identify(['Remote-User', '\xff']), { code: 'identity_invalid' })
  })
})

test("a request with another preset's headers gets identity_missing with a hint in the detail", () => {
  const detailFor = (...rawHeaders: string[]) => {
    try {
      create()(rawHeaders)
    } catch (error) {
      return (error as GatewayError).detail
    }
    return assert.fail('identified')
  }
  const missing = 'missing authentication headers (Remote-User)'
  assert.equal(detailFor('Host', 'es', 'X-Authentik-Username', ''), missing)
  assert.equal(
    detailFor('Host', 'es', 'x-authentik-username', 'bob'),
    `${missing}; the request has X-authentik-username: if your proxy sends it, set auth_provider: authentik`,
  )
  assert.equal(
    detailFor('X-Forwarded-User', 'bob'),
    `${missing}; the request has X-Forwarded-User: if your proxy sends it, set auth_provider: headers`,
  )
})

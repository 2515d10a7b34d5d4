import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { headerPresets } from '../../../../config/header-presets.ts'
import type { RequestIdentity } from '../../../../src/auth/identity.ts'
import { createProvider, type ProviderOptions } from '../../../../src/providers/index.ts'

const create = (more: Partial<ProviderOptions> = {}) => {
  const identify = createProvider({
    names: ['authelia'],
    headers: headerPresets.authelia,
    static: { username: 'dev', groups: [], email: null, name: null },
    ...more,
  })
  return (rawHeaders: string[], isTrusted = true) => {
    const { identity, isAmbient } = identify({ rawHeaders } as IncomingMessage, isTrusted) as RequestIdentity
    assert.equal(isAmbient, true) // a proxy asserts it of every request
    return identity
  }
}
const identify = create()
/** A header value as Node hands it over. */
const wire = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
const withGroups = (groups: string) => identify(['Remote-User', 'bob', 'Remote-Groups', wire(groups)]).groups

describe('presets', () => {
  for (const name of ['authelia', 'authentik', 'oauth2-proxy', 'tailscale', 'headers'] as const) {
    test(name, () => {
      const { username, groups, email, name: fullName, groupsSeparator } = headerPresets[name]
      const raw = [username, 'bob', groups, `a${groupsSeparator}b`, email, 'bob@example.com', fullName, 'Bob']
      const expected = { username: 'bob', groups: ['a', 'b'], email: 'bob@example.com', name: 'Bob', provider: name }
      assert.deepEqual(create({ names: [name], headers: headerPresets[name] })(raw), expected)
    })
  }

  test('authentik separates groups by |, and a comma is part of a name', () => {
    const raw = ['X-authentik-username', 'bob', 'X-authentik-groups', 'authentik Admins|Staff, all| |staff']
    assert.deepEqual(create({ names: ['authentik'], headers: headerPresets.authentik })(raw).groups, [
      'authentik Admins',
      'Staff, all',
      'staff',
    ])
  })

  test('each name and the separator can be another, the rest stays the preset’s', () => {
    const headers = { ...headerPresets.authelia, username: 'X-User', groupsSeparator: ';' }
    const found = create({ headers })(['x-user', 'bob', 'Remote-Groups', 'a;b,c', 'Remote-User', 'eve'])
    assert.deepEqual([found.username, found.groups], ['bob', ['a', 'b,c']])
  })

  test('static: the configured identity, whatever a trusted peer says; nobody else', () => {
    const fixed = { username: 'dev', groups: ['a'], email: null, name: 'Dev' }
    const asStatic = create({ names: ['static'], static: fixed })
    const expected = { username: 'dev', groups: ['a'], name: 'Dev', provider: 'static' }
    assert.deepEqual(asStatic(['Remote-User', 'eve']), expected)
    assert.throws(() => asStatic([], false), { code: 'peer_untrusted' })
    assert.equal(asStatic([]), asStatic([]))
  })
})

test('no groups header, and an empty one: the same groups, but only the first says that they are missing', () => {
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

test('static: configured groups are never missing, though there are none', () => {
  assert.ok(!('groupsMissing' in create({ names: ['static'] })([])))
})

describe('who may assert', () => {
  test('nobody is asserted: 401, from a trusted peer and from any other', () => {
    for (const isTrusted of [true, false]) {
      assert.throws(() => identify(['Host', 'es'], isTrusted), {
        code: 'identity_missing',
        detail: /missing authentication headers/,
      })
      assert.throws(() => identify(['Remote-User', ''], isTrusted), { code: 'identity_missing' })
    }
  })

  test('an untrusted peer is refused, whichever of the headers it sends, known assertions too', () => {
    identify(['Remote-User', 'bob'])
    for (const name of ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name'])
      assert.throws(() => identify([name, 'bob'], false), { code: 'peer_untrusted' })
  })

  test('groups without a user are nobody', () => {
    assert.throws(() => identify(['Remote-Groups', 'admins']), { code: 'identity_missing' })
  })

  test('what is said to the log does not repeat the assertion', () => {
    assert.throws(
      () => identify(['Remote-User', 'hunter2'], false),
      ({ message }: Error) => !message.includes('hunter2'),
    )
  })
})

describe('values', () => {
  test('UTF-8 comes out as it was meant', () => {
    const raw = ['Remote-User', 'bob', 'Remote-Name', wire('Žofie 李 💥'), 'Remote-Groups', wire('équipe,グループ')]
    const { name, groups } = identify(raw)
    assert.deepEqual([name, groups], ['Žofie 李 💥', ['équipe', 'グループ']])
  })

  const malformed: [string, string][] = [
    ['latin-1', 'J\xf6rg'],
    ['half a character', '\xc3'],
    ['an overlong /', '\xc0\xaf'],
    ['a surrogate', '\xed\xa0\x80'],
    ['beyond Unicode', '\xf4\x90\x80\x80'],
    ['a lone continuation', 'a\x80'],
  ]
  for (const [what, value] of malformed) {
    test(`${what} is refused, never guessed`, () => {
      for (const name of ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name']) {
        const raw = name === 'Remote-User' ? [name, value] : ['Remote-User', 'bob', name, value]
        assert.throws(() => identify(raw), { code: 'identity_invalid' })
      }
    })
  }

  test('a character that ends in the byte A0, as the last one of a value', () => {
    const raw = ['Remote-User', 'bob', 'Remote-Name', wire('Nicolà'), 'Remote-Groups', wire('Università')]
    const { name, groups } = identify(raw)
    assert.deepEqual([name, groups], ['Nicolà', ['Università']])
  })

  test('percent-encoding and HTML are left as they are', () => {
    const { name } = identify(['Remote-User', 'bob', 'Remote-Name', '%00%0d%0a<script>&amp;'])
    assert.equal(name, '%00%0d%0a<script>&amp;')
  })

  test('a comma in a username is part of it, for the check to refuse', () => {
    assert.equal(identify(['Remote-User', 'bob, admin']).username, 'bob, admin')
  })

  test('an invisible mark at the start is not swallowed into another user', () => {
    assert.notEqual(identify(['Remote-User', wire('\ufeffbob')]).username, 'bob')
  })
})

describe('groups', () => {
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
  for (const [value, groups] of lists) test(JSON.stringify(value), () => assert.deepEqual(withGroups(value), groups))

  for (const blank of ['\u00a0', '\ufeff', '\u3000', '\u2003']) {
    test(`U+${blank.charCodeAt(0).toString(16)} is part of a name, or one could be in admins without being in admins`, () =>
      assert.deepEqual(withGroups(`x,${blank}admins`), ['x', `${blank}admins`]))
  }

  test('5,000 come through whole, for the check to refuse', () => {
    assert.equal(withGroups(Array.from({ length: 5000 }, (_, i) => `g${i}`).join()).length, 5000)
  })
})

describe('the same assertion', () => {
  const raw = ['Remote-User', 'bob', 'Remote-Groups', 'a,b', 'Remote-Email', 'bob@example.com', 'Remote-Name', 'Bob']

  test('is the same frozen object', () => {
    const first = identify(raw)
    assert.equal(identify(['Host', 'x', ...raw, 'Cookie', 'y']), first)
    assert.ok(Object.isFrozen(first) && Object.isFrozen(first.groups))
  })

  test('with any part changed is another', () => {
    const first = identify(raw)
    for (const i of [1, 3, 5, 7]) {
      const other = identify(raw.with(i, 'c'))
      assert.notEqual(other, first)
      assert.notDeepEqual(other, first)
    }
  })

  test('values that change places are not confused', () => {
    const one = identify(['Remote-User', 'bob', 'Remote-Email', 'x'])
    const two = identify(['Remote-User', 'bob', 'Remote-Name', 'x'])
    const three = identify(['Remote-User', 'bob', 'Remote-Groups', 'x'])
    assert.deepEqual([one.email, two.name, three.groups], ['x', 'x', ['x']])
  })

  test('huge ones push each other out: 8 Mi characters are kept in all', () => {
    const own = create()
    const huge = (user: number) => ['Remote-User', `user-${user}`, 'Remote-Groups', 'g'.repeat(60_000)]
    const first = own(huge(0))
    assert.equal(own(huge(0)), first)
    for (let user = 1; user < 150; user++) own(huge(user))
    assert.notEqual(own(huge(0)), first)
  })

  test('is not kept for ever: 4,096 others push it out', () => {
    const own = create()
    const first = own(raw)
    for (let i = 0; i < 4096; i++) own(['Remote-User', `user-${i}`])
    assert.notEqual(own(raw), first)
    assert.deepEqual(own(raw), first)
  })

  test('a refused one is refused again', () => {
    for (let i = 0; i < 2; i++) assert.throws(() => identify(['Remote-User', '\xff']), { code: 'identity_invalid' })
  })
})

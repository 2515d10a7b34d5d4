import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HeaderNames, headerPresets } from '../../../../config/header-presets.ts'
import { createAssertionReader } from '../../../../src/providers/header/assertion.ts'

const assertRejected = (names: HeaderNames, ...rawHeaders: string[]) =>
  assert.throws(() => createAssertionReader(names).readAssertion(rawHeaders), { code: 'identity_invalid' })

for (const [preset, names] of Object.entries(headerPresets)) {
  describe(`the identity headers of the preset ${preset}`, () => {
    const read = createAssertionReader(names).readAssertion
    const all = [names.username, 'bob', names.groups, 'a,b', names.email, 'bob@example.com', names.name, 'Bob']

    test('reads the identity headers among any other headers', () => {
      const found = read(['Host', 'es', 'Cookie', 'x=1', ...all, 'Connection', 'close', 'X-Other', 'y'])
      assert.deepEqual(found, { username: 'bob', groups: 'a,b', email: 'bob@example.com', name: 'Bob' })
    })

    test('reads identity headers in any case', () => {
      for (const spell of [(name: string) => name.toLowerCase(), (name: string) => name.toUpperCase()])
        assert.equal(read(all.map((text, i) => (i % 2 ? text : spell(text)))).username, 'bob')
    })

    test('reads absent headers as empty values, and absent groups as undefined', () => {
      assert.deepEqual(read(['Host', 'es']), { username: '', groups: undefined, email: '', name: '' })
      assert.equal(read([names.groups, '']).groups, '')
    })

    for (const [field, name] of Object.entries(names).filter(([field]) => field !== 'groupsSeparator')) {
      test(`rejects a duplicate ${name} header (${field}), even with the same value`, () => {
        assertRejected(names, name, 'bob', name, 'eve')
        assertRejected(names, name, 'bob', name.toUpperCase(), 'bob')
        assertRejected(names, name, '', name, 'bob')
        assertRejected(names, name, 'bob', 'Host', 'es', name, 'bob')
      })

      for (const alias of [
        name.replaceAll('-', '_'),
        name.replaceAll('-', '.'),
        name.replace('-', '_').toUpperCase(),
      ]) {
        test(`rejects the alias ${alias}, alone or beside ${name}`, () => {
          assertRejected(names, alias, 'eve')
          assertRejected(names, name, 'bob', alias, 'eve')
          assertRejected(names, alias, 'eve', name, 'bob')
          assertRejected(names, alias, '')
        })
      }

      for (const value of [
        name,
        name.toLowerCase(),
        `close, ${name}`,
        `${name.toUpperCase()},close`,
        `keep-alive ,\t${name} `,
        name.replaceAll('-', '_'),
      ]) {
        test(`rejects identity headers of a request with Connection: ${value}`, () => {
          assertRejected(names, name, 'bob', 'Connection', value)
          assertRejected(names, 'connection', value, name, 'bob')
          assertRejected(names, 'CONNECTION', value)
          assertRejected(names, 'Connection', 'close', 'Connection', value)
        })
      }
    }

    test('accepts identity headers of a request whose Connection header names other headers', () => {
      assert.equal(read([...all, 'Connection', `close, keep-alive, X-${names.username}`]).username, 'bob')
    })

    test("ignores headers whose name is longer or shorter than an identity header's", () => {
      const others = [`X${names.username}`, `${names.username}X`, `X-${names.username}`, names.username.slice(1)]
      assert.equal(read([...all, ...others.flatMap((name) => [name, 'eve'])]).username, 'bob')
    })
  })
}

describe('configured header names', () => {
  const names = { ...headerPresets.authelia, username: 'REMOTE_USER', groups: 'x.groups' }

  test('reads configured header names with underscores and dots', () => {
    const found = createAssertionReader(names).readAssertion(['remote_user', 'bob', 'X.Groups', 'a'])
    assert.deepEqual([found.username, found.groups], ['bob', 'a'])
  })

  for (const alias of ['Remote-User', 'remote.user', 'REMOTE-USER', 'x-groups', 'X_GROUPS']) {
    test(`rejects the alias ${alias} of a configured header name`, () => {
      assertRejected(names, alias, 'eve')
      assertRejected(names, 'REMOTE_USER', 'bob', alias, 'eve')
      assertRejected(names, 'REMOTE_USER', 'bob', 'Connection', alias)
    })
  }

  test('reads two fields from one identity header, such as the email address as the username', () => {
    const email = headerPresets['oauth2-proxy'].email
    const found = createAssertionReader({ ...headerPresets['oauth2-proxy'], username: email }).readAssertion([
      email,
      'bob@example.com',
    ])
    assert.deepEqual([found.username, found.email], ['bob@example.com', 'bob@example.com'])
  })

  test('rejects a duplicate of an identity header that has two fields', () => {
    assertRejected(
      { ...names, username: 'X-Mail', email: 'x-mail' },
      'X-Mail',
      'bob@example.com',
      'X-Mail',
      'eve@example.com',
    )
  })
})

test('an identity header value is read unchanged, and a byte A0 at its end is not trimmed like a space', () => {
  const value = Buffer.from('Voilà').toString('latin1')
  assert.equal(createAssertionReader(headerPresets.authelia).readAssertion(['Remote-Name', value]).name, value)
})

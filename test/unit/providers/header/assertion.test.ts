import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HeaderNames, headerPresets } from '../../../../config/header-presets.ts'
import { createAssertionReader } from '../../../../src/providers/header/assertion.ts'

const refuses = (names: HeaderNames, ...rawHeaders: string[]) =>
  assert.throws(() => createAssertionReader(names).readAssertion(rawHeaders), { code: 'identity_invalid' })

for (const [preset, names] of Object.entries(headerPresets)) {
  describe(`${preset}’s headers`, () => {
    const read = createAssertionReader(names).readAssertion
    const all = [names.username, 'bob', names.groups, 'a,b', names.email, 'bob@example.com', names.name, 'Bob']

    test('are picked, whatever stands around them', () => {
      const found = read(['Host', 'es', 'Cookie', 'x=1', ...all, 'Connection', 'close', 'X-Other', 'y'])
      assert.deepEqual(found, { username: 'bob', groups: 'a,b', email: 'bob@example.com', name: 'Bob' })
    })

    test('have no case', () => {
      for (const spell of [(name: string) => name.toLowerCase(), (name: string) => name.toUpperCase()])
        assert.equal(read(all.map((text, i) => (i % 2 ? text : spell(text)))).username, 'bob')
    })

    test('absent is empty, and absent groups are told from empty ones', () => {
      assert.deepEqual(read(['Host', 'es']), { username: '', groups: undefined, email: '', name: '' })
      assert.equal(read([names.groups, '']).groups, '')
    })

    for (const [slot, name] of Object.entries(names).filter(([slot]) => slot !== 'groupsSeparator')) {
      test(`a doubled ${slot} is refused, the same value too`, () => {
        refuses(names, name, 'bob', name, 'eve')
        refuses(names, name, 'bob', name.toUpperCase(), 'bob')
        refuses(names, name, '', name, 'bob')
        refuses(names, name, 'bob', 'Host', 'es', name, 'bob')
      })

      for (const alias of [
        name.replaceAll('-', '_'),
        name.replaceAll('-', '.'),
        name.replace('-', '_').toUpperCase(),
      ]) {
        test(`${alias} is refused, alone and beside the real one`, () => {
          refuses(names, alias, 'eve')
          refuses(names, name, 'bob', alias, 'eve')
          refuses(names, alias, 'eve', name, 'bob')
          refuses(names, alias, '')
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
        test(`Connection: ${value} is refused`, () => {
          refuses(names, name, 'bob', 'Connection', value)
          refuses(names, 'connection', value, name, 'bob')
          refuses(names, 'CONNECTION', value)
          refuses(names, 'Connection', 'close', 'Connection', value)
        })
      }
    }

    test('Connection may name anything else', () => {
      assert.equal(read([...all, 'Connection', `close, keep-alive, X-${names.username}`]).username, 'bob')
    })

    test('longer and shorter names are other headers', () => {
      const others = [`X${names.username}`, `${names.username}X`, `X-${names.username}`, names.username.slice(1)]
      assert.equal(read([...all, ...others.flatMap((name) => [name, 'eve'])]).username, 'bob')
    })
  })
}

describe('custom names', () => {
  const names = { ...headerPresets.authelia, username: 'REMOTE_USER', groups: 'x.groups' }

  test('with underscores and dots are read as they are', () => {
    const found = createAssertionReader(names).readAssertion(['remote_user', 'bob', 'X.Groups', 'a'])
    assert.deepEqual([found.username, found.groups], ['bob', 'a'])
  })

  for (const alias of ['Remote-User', 'remote.user', 'REMOTE-USER', 'x-groups', 'X_GROUPS']) {
    test(`${alias} is another spelling, refused`, () => {
      refuses(names, alias, 'eve')
      refuses(names, 'REMOTE_USER', 'bob', alias, 'eve')
      refuses(names, 'REMOTE_USER', 'bob', 'Connection', alias)
    })
  }

  test('one header for two things, such as the e-mail as username, serves both', () => {
    const email = headerPresets['oauth2-proxy'].email
    const found = createAssertionReader({ ...headerPresets['oauth2-proxy'], username: email }).readAssertion([
      email,
      'bob@example.com',
    ])
    assert.deepEqual([found.username, found.email], ['bob@example.com', 'bob@example.com'])
  })

  test('that one header, doubled, is refused all the same', () => {
    refuses({ ...names, username: 'X-Mail', email: 'x-mail' }, 'X-Mail', 'bob@example.com', 'X-Mail', 'eve@example.com')
  })
})

test('a byte A0 at the end is part of a UTF-8 character, not a blank: values are picked as they are', () => {
  const value = Buffer.from('Voilà').toString('latin1')
  assert.equal(createAssertionReader(headerPresets.authelia).readAssertion(['Remote-Name', value]).name, value)
})

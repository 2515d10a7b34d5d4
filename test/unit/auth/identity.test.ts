import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkIdentity, type Identity } from '../../../src/auth/identity.ts'
import { identity } from './credentials/fixture.ts'

const check = (fields: Partial<Identity>) => checkIdentity(identity(fields))
const show = (value: string) => JSON.stringify(value.length > 40 ? `${value.slice(0, 10)}… (${value.length})` : value)

/** Asserts that the identity is rejected, and that the error does not repeat the value. */
function assertRejected(code: string, fields: Partial<Identity>, value: string) {
  assert.throws(
    () => check(fields),
    (error: Error & { code?: string; detail?: string }) => {
      assert.equal(error.code, code)
      if (code === 'identity_invalid' && value.length > 3)
        assert.ok(!error.detail?.includes(value), 'the value is not repeated')
      return true
    },
  )
}

describe('usernames', () => {
  const valid = [
    'bob',
    'B',
    '7',
    'bob@example.com',
    'bob+es@example.com',
    'bob_smith',
    'bob-smith',
    'b.o.b',
    '...',
    '.bob',
    'bob.',
    '-',
    '+',
    '@',
    'elastic2',
    'elasticsearch',
    'my_elastic',
    'kibana-user',
    'a'.repeat(255),
    'constructor',
    'toString',
  ]
  for (const username of valid) test(`accepts the username ${show(username)}`, () => check({ username }))

  const malformed = [
    '',
    ' ',
    ' bob',
    'bob ',
    'bob smith',
    'bob:secret',
    'bob\0',
    'bob\n',
    '\nbob',
    'bob\r\nX: y',
    'bob,admin',
    'bob/..',
    '../bob',
    '/',
    '\\',
    '.',
    '..',
    'bob%00',
    'bob?x',
    'bob#x',
    'bob*',
    'bob"',
    "bob'",
    'bob;',
    'bob=1',
    '(bob)',
    'bób',
    'ｅlastic',
    'еlastic',
    'bob\u200b',
    'bob\u202e',
    '\u2028',
    '💥',
    '\ud800',
    'a'.repeat(256),
    'a'.repeat(100_000),
  ]
  for (const username of malformed)
    test(`rejects the username ${show(username)} as malformed`, () =>
      assertRejected('identity_invalid', { username }, username))

  const reserved = [
    'elastic',
    'ELASTIC',
    'Elastic',
    'eLaStIc',
    'kibana',
    'kibana_system',
    'KIBANA_SYSTEM',
    'logstash_system',
    'beats_system',
    'apm_system',
    'remote_monitoring_user',
    '_xpack',
    '_xpack_security',
    '_system',
    '_x',
    '_',
    '__proto__',
    '_es_api_user',
  ]
  for (const username of reserved)
    test(`rejects the username ${show(username)} as reserved`, () =>
      assertRejected('user_reserved', { username }, username))
})

describe('email addresses', () => {
  for (const email of [
    'bob@example.com',
    'bob+x@example.com',
    'bob@localhost',
    'bøb@exämple.com',
    "o'bob@example.com",
    `${'a'.repeat(308)}@example.com`,
  ]) {
    test(`accepts the email address ${show(email)}`, () => check({ email }))
  }
  const malformed = [
    '',
    'bob',
    '@',
    'bob@',
    '@example.com',
    'a@evil.com@corp.com',
    'bob@example.com,eve@example.com',
    'bob@example.com;eve@example.com',
    'bob @example.com',
    'bob@exam ple.com',
    'bob@example.com\n',
    'bob\0@example.com',
    'bob\x7f@example.com',
    '<bob@example.com>',
    '"Bob" bob@example.com',
    'bob@example.com ',
    `${'a'.repeat(309)}@example.com`,
    `${'a'.repeat(100_000)}`,
  ]
  for (const email of malformed)
    test(`rejects the email address ${show(email)}`, () => assertRejected('identity_invalid', { email }, email))
})

describe('names', () => {
  for (const name of ['Bob Smith', 'Žofie', '李', 'O’Brien', '<b>Bob</b>', 'a'.repeat(500)])
    test(`accepts the name ${show(name)}`, () => check({ name }))
  for (const name of [
    'Bob\0',
    'Bob\nSmith',
    'Bob\x7f',
    'Bob\u0085',
    'Bob\u009b31m',
    'Bob\u2028',
    'Bob\t',
    'a'.repeat(501),
  ]) {
    test(`rejects the name ${show(name)}`, () => assertRejected('identity_invalid', { name }, name))
  }
})

describe('groups', () => {
  test('accepts an identity without groups, for the role rules to decide', () => check({ groups: [] }))
  test('accepts an identity with 1,000 groups', () =>
    check({ groups: Array.from({ length: 1000 }, (_, i) => `g${i}`) }))
  test('rejects an identity with 1,001 groups instead of dropping a group', () =>
    assertRejected('identity_invalid', { groups: Array.from({ length: 1001 }, (_, i) => `g${i}`) }, ''))
  for (const group of ['staff', 'CN=Staff', 'equipe é', '$&', 'a'.repeat(255)])
    test(`accepts the group ${show(group)}`, () => check({ groups: ['x', group] }))
  for (const group of ['a\0b', 'a\nb', 'a\x7fb', 'a\u2029b', 'a'.repeat(256)]) {
    test(`rejects the group ${show(group)}`, () => assertRejected('identity_invalid', { groups: ['x', group] }, group))
  }
})

test('rejects half of a surrogate pair in a name, a group or an email address, which UTF-8 cannot carry', () => {
  for (const half of ['\ud800', 'a\udc00b', '\udfff\ud800']) {
    assertRejected('identity_invalid', { name: half }, half)
    assertRejected('identity_invalid', { groups: [half] }, half)
    assertRejected('identity_invalid', { email: `${half}@example.com` }, half)
  }
  check({ name: '\u{1f600}', groups: ['\u{1f600}'] })
})

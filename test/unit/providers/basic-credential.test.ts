import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GatewayError } from '../../../src/http/errors.ts'
import { decodeBasic } from '../../../src/providers/basic-credential.ts'

const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64')

describe('the content of Authorization: Basic', () => {
  test('is a username, which ends at the first colon, and a password, which may be empty', () => {
    assert.deepEqual(decodeBasic(base64('bob:correct horse')), { username: 'bob', password: 'correct horse' })
    assert.deepEqual(decodeBasic(base64('bob:a:b')), { username: 'bob', password: 'a:b' })
    assert.deepEqual(decodeBasic(base64('bob:')), { username: 'bob', password: '' })
    assert.deepEqual(decodeBasic(base64('josé:pässwörd')), { username: 'josé', password: 'pässwörd' })
  })

  for (const [what, encoded] of [
    ['no colon', base64('bob')],
    ['no username', base64(':password')],
    ['NUL in the username', base64('bob\0:password')],
    ['NUL in the password', base64('bob:password\0')],
    ['a tab in the password', base64('bob:pass\tword')],
    ['a line break in the password', base64('bob:pass\r\nword')],
    ['DEL in the password', base64('bob:pass\x7fword')],
    ['the password in ISO 8859-1', base64('bob:p\xe4ssword', 'latin1')],
    ['an overlong encoding of a letter', base64('b\xc1\xafb:password', 'latin1')],
    ['half a surrogate pair', base64('bob:\xed\xa0\x80', 'latin1')],
  ] as const) {
    test(`is rejected with ${what}, by an error without any part of it`, () => {
      assert.throws(
        () => decodeBasic(encoded),
        (error: GatewayError) =>
          error.code === 'credential_invalid' &&
          error.cause === undefined &&
          !`${error.message}${error.stack}`.includes('ssword'),
      )
    })
  }
})

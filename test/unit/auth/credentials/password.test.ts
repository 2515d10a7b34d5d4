import assert from 'node:assert/strict'
import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { test } from 'node:test'
import { createKeyring, keyIdOf } from '../../../../src/auth/credentials/password.ts'
import { key, otherKey } from './fixture.ts'

const id = keyIdOf(key)

test('every release derives the same password as this test vector', () => {
  const password = createKeyring([key]).password(id, 'bob', '2026-11-23', 7)
  assert.equal(password, 'CCXucgLN610b9IbO5GKFbOhkel43jKDsnQfNBM7Twb8')
})

test('the password is the HKDF-SHA256 of RFC 5869, computed here from HMAC', () => {
  const extracted = createHmac('sha256', 'elastauth').update(Buffer.from(key, 'hex')).digest()
  const expanded = createHmac('sha256', extracted)
    .update('password\0bob\x002026-11-23\x007')
    .update(Buffer.of(1))
    .digest()
  assert.equal(createKeyring([key]).password(id, 'bob', '2026-11-23', 7), expanded.toString('base64url'))
})

test("the password is the result of Node's HKDF", () => {
  const derived = hkdfSync(
    'sha256',
    Buffer.from(key, 'hex'),
    'elastauth',
    'password\0alice@example.com\x002026-01-01\x001',
    32,
  )
  const password = createKeyring([key]).password(id, 'alice@example.com', '2026-01-01', 1)
  assert.equal(password, Buffer.from(derived).toString('base64url'))
})

test('every password has 43 characters of the base64url alphabet', () => {
  for (let version = 1; version < 200; version++) {
    assert.match(createKeyring([key]).password(id, 'bob', '2026-11-23', version), /^[A-Za-z0-9_-]{43}$/)
  }
})

test('different users, days, versions and keys have different passwords', () => {
  const ring = createKeyring([key, otherKey])
  const parts: [string, string, number][] = [
    ['a', '2026-11-23', 1],
    ['a', '2026-11-23', 11],
    ['a', '2026-11-231', 1],
    ['a2', '026-11-23', 1],
    ['a2026-11-23', '', 1],
    ['a', '2026-11-2', 31],
    ['A', '2026-11-23', 1],
    ['', 'a2026-11-23', 1],
    ['passworda', '2026-11-23', 1],
    ['a', '2026-11-24', 1],
  ]
  const all = parts.flatMap((part) => [ring.password(id, ...part), ring.password(keyIdOf(otherKey), ...part)])
  assert.equal(new Set(all).size, 2 * parts.length)
})

test('the id of a key is the first 8 hex digits of its SHA-256', () => {
  assert.equal(id, createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 8))
  assert.equal(keyIdOf(key.toUpperCase()), id)
  assert.ok(!key.includes(id))
})

test('a keyring knows the current key, which is its first key, and the previous keys', () => {
  const ring = createKeyring([key, otherKey])
  assert.equal(ring.currentId, id)
  assert.deepEqual([id, keyIdOf(otherKey), 'lost', '', '__proto__', 'toString'].map(ring.knows), [
    true,
    true,
    false,
    false,
    false,
    false,
  ])
})

test('deriving a password with an unknown key throws an error that contains no key', () => {
  const ring = createKeyring([key])
  assert.throws(
    () => ring.password('lost', 'bob', '2026-11-23', 1),
    (error: Error) => /lost/.test(error.message) && !error.message.includes(key),
  )
})

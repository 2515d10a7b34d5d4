import assert from 'node:assert/strict'
import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { test } from 'node:test'
import { createKeyring, keyIdOf } from '../../../../src/auth/credentials/password.ts'
import { key, otherKey } from './fixture.ts'

const id = keyIdOf(key)

test('a fixed vector: every release must derive the same password', () => {
  const password = createKeyring([key]).password(id, 'bob', '2026-11-23', 7)
  assert.equal(password, 'CCXucgLN610b9IbO5GKFbOhkel43jKDsnQfNBM7Twb8')
})

test('HKDF as RFC 5869 has it, worked out from HMAC alone', () => {
  const extracted = createHmac('sha256', 'elastauth').update(Buffer.from(key, 'hex')).digest()
  const expanded = createHmac('sha256', extracted)
    .update('password\0bob\x002026-11-23\x007')
    .update(Buffer.of(1))
    .digest()
  assert.equal(createKeyring([key]).password(id, 'bob', '2026-11-23', 7), expanded.toString('base64url'))
})

test('HKDF as Node has it', () => {
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

test('43 characters that a Basic credential can carry', () => {
  for (let version = 1; version < 200; version++) {
    assert.match(createKeyring([key]).password(id, 'bob', '2026-11-23', version), /^[A-Za-z0-9_-]{43}$/)
  }
})

test('no two users, days, versions or keys share a password', () => {
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

test('a key’s id is the first 8 hex digits of SHA-256 of its bytes, and says nothing of the key', () => {
  assert.equal(id, createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 8))
  assert.equal(keyIdOf(key.toUpperCase()), id)
  assert.ok(!key.includes(id))
})

test('the first key is the current one, the previous ones are known', () => {
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

test('a key that nobody knows throws, without naming a key', () => {
  const ring = createKeyring([key])
  assert.throws(
    () => ring.password('lost', 'bob', '2026-11-23', 1),
    (error: Error) => /lost/.test(error.message) && !error.message.includes(key),
  )
})

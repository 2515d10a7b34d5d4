import assert from 'node:assert/strict'
import { pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import type { ManagedState } from '../../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../../src/auth/credentials/password.ts'
import { createPasswordWriter } from '../../../../src/auth/credentials/password-writer.ts'
import { key, noon, otherKey } from './fixture.ts'

const keys = createKeyring([key, otherKey])
const state: ManagedState = {
  created: '2026-11-23',
  version: 7,
  key_id: keys.currentId,
  issued_at: noon,
  fingerprint: 'any',
}
const prepare = createPasswordWriter({ keys, sendsHash: () => true })

test('every release and every replica prepares the same password hash as this test vector', async () => {
  assert.deepEqual(await prepare('bob', state), {
    password: 'CCXucgLN610b9IbO5GKFbOhkel43jKDsnQfNBM7Twb8',
    passwordHash:
      '{PBKDF2}1000$dpWUu0qSK+f9THN0Q0eVOCq5KPKKNEgL/bjf5ROcb40=$VmNx1QcmChzRSYUfSS+Jfo/BV35OGQxRNqZMcfgACvk=',
  })
})

test('a password hash is {PBKDF2}1000$salt$hash with HMAC-SHA512, 32 bytes each, in padded base64', async () => {
  for (let version = 1; version <= 100; version++) {
    const { password, passwordHash } = await prepare('bob', { ...state, version })
    const [, salt, hash] = /^\{PBKDF2\}1000\$([A-Za-z0-9+/]{43}=)\$([A-Za-z0-9+/]{43}=)$/.exec(passwordHash!)!
    assert.deepEqual(pbkdf2Sync(password, Buffer.from(salt!, 'base64'), 1000, 32, 'sha512').toString('base64'), hash)
  }
})

test('password hashes of different users, days, versions and keys have different salts', async () => {
  const others = [
    prepare('bob', state),
    prepare('alice', state),
    prepare('bob', { ...state, created: '2026-11-24' }),
    prepare('bob', { ...state, version: 8 }),
    prepare('bob', { ...state, key_id: createKeyring([otherKey]).currentId }),
  ]
  const salts = (await Promise.all(others)).map(({ passwordHash }) => passwordHash!.split('$')[1])
  assert.equal(new Set(salts).size, others.length)
})

test('the salt of a password hash does not contain the password', async () => {
  const { password, passwordHash } = await prepare('bob', state)
  const salt = Buffer.from(passwordHash!.split('$')[1]!, 'base64')
  assert.notEqual(salt.toString('base64url'), password)
})

test('hashing a password does not block the event loop', async () => {
  let isDone = false
  const prepared = prepare('bob', state).then(() => {
    isDone = true
  })
  for (let i = 0; i < 100; i++) await Promise.resolve()
  assert.equal(isDone, false)
  await prepared
})

test('passwords are prepared without a hash once Elasticsearch has rejected a hash', async () => {
  let sendsHash = true
  const prepareUntil = createPasswordWriter({ keys, sendsHash: () => sendsHash })
  assert.ok((await prepareUntil('bob', state)).passwordHash)
  sendsHash = false
  assert.deepEqual(await prepareUntil('bob', state), { password: 'CCXucgLN610b9IbO5GKFbOhkel43jKDsnQfNBM7Twb8' })
})

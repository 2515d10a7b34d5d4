import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ManagedState } from '../../../src/auth/credentials/managed-user.ts'
import { createKeyring } from '../../../src/auth/credentials/password.ts'
import { decodeEntry, encodeEntry } from '../../../src/auth/credentials/shared-entry.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { createLoginStates } from '../../../src/login/login-state.ts'
import { createSeal } from '../../../src/sessions/seal.ts'
import { createSessionSeal } from '../../../src/sessions/session-seal.ts'
import fc from '../../support/property.ts'

const secret = '5eed'.padEnd(64, '0')
const otherSecret = 'beef'.padEnd(64, '0')

/** Modifications of a stored text: truncated, extended, one character replaced, another version, or a different text. */
const modification: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.nat(300).map((length) => (text: string) => text.slice(0, length)),
  fc.nat(300).map((length) => (text: string) => text.slice(length)),
  fc.string({ unit: 'binary', maxLength: 8 }).map((more) => (text: string) => text + more),
  fc.tuple(fc.nat(), fc.constantFrom(...'A0-_. !?{\0é')).map(([at, letter]) => (text: string) => {
    const place = at % text.length
    return text.slice(0, place) + letter + text.slice(place + 1)
  }),
  fc.nat(9).map((version) => (text: string) => version + text.slice(1)),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => () => text),
  fc.constant(() => 'A'.repeat(1_000_000)),
)

test('a sealed session that is modified, or has another id or key, counts as absent without an error', () => {
  const seal = createSessionSeal(createSeal([secret], 'session'))
  const other = createSessionSeal(createSeal([otherSecret], 'session'))
  const session = { subject: 'alice', claims: {}, freshUntil: 1, refreshAt: 1, endsAt: 1 }
  const sealed = seal.close('id', session)!
  assert.deepEqual(seal.open('id', sealed), session)
  for (const [open, id] of [
    [seal.open, 'other'],
    [other.open, 'id'],
  ] as const)
    assert.equal(open(id, sealed), undefined)
  fc.assert(
    fc.property(modification, (apply) => {
      const modified = apply(sealed)
      const opened = seal.open('id', modified)
      assert.ok(opened === undefined || hasSameBytes(modified, sealed), modified)
    }),
    { numRuns: 1000 },
  )
})

/** Base64 decoding ignores invalid characters, and unused bits of the last character. */
function hasSameBytes(a: string, b: string): boolean {
  return Buffer.from(a.slice(2), 'base64url').equals(Buffer.from(b.slice(2), 'base64url'))
}

test('a shared entry that is modified, or has another user or key, counts as absent without an error', () => {
  const keys = createKeyring([secret])
  const state: ManagedState = {
    created: '2026-11-23',
    version: 7,
    key_id: keys.currentId,
    issued_at: 1_790_000_000_000,
    fingerprint: 'fingerprint',
  }
  const entry = encodeEntry('bob', state, 'nonce', keys)
  assert.deepEqual(decodeEntry('bob', entry, keys), state)
  assert.equal(decodeEntry('bob', entry, createKeyring([otherSecret])), undefined)
  fc.assert(
    fc.property(modification, fc.constantFrom('bob', 'alice', ''), (apply, username) => {
      const modified = apply(entry)
      const found = decodeEntry(username, modified, keys)
      assert.ok(found === undefined || (username === 'bob' && modified === entry), modified)
    }),
    { numRuns: 1000 },
  )
})

test('a modified login state is rejected with login_failed, whatever the cookies, unless it decodes to the same login', () => {
  const loginStates = createLoginStates(createSeal([secret], 'login'), secret, () => 1_790_000_000_000)
  const { state, cookie, binding } = loginStates.start(undefined, '/app')
  const cookies = fc.oneof(
    fc.constant(undefined),
    fc.constant(`${cookie}=${binding}`),
    fc.constant(`${cookie}=${binding}; ${cookie}=${binding}`),
    fc.string({ unit: 'binary', maxLength: 100 }).map((text) => `${cookie}=${text}`),
    fc.constant(`${cookie}=${'A'.repeat(100_000)}`),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        modification,
        fc.constant((text: string) => text),
      ),
      cookies,
      (apply, header) => {
        const modified = apply(state)
        try {
          assert.equal(loginStates.read(modified, header).returnTo, '/app')
          loginStates.consume(modified, header)
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          assert.equal(error.code, 'login_failed')
        }
      },
    ),
    { numRuns: 1000 },
  )
})

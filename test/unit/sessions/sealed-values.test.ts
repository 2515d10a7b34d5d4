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

/** Changes of a stored text: cut off, continued, shifted, one character another, something else altogether. */
const change: fc.Arbitrary<(text: string) => string> = fc.oneof(
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

test('a changed sealed session, or one of another id or key, counts as absent and throws nothing', () => {
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
    fc.property(change, (apply) => {
      const changed = apply(sealed)
      const opened = seal.open('id', changed)
      assert.ok(opened === undefined || hasSameBytes(changed, sealed), changed)
    }),
    { numRuns: 1000 },
  )
})

/** The last character of base64 may contain unused bits, and characters outside base64 are skipped. */
function hasSameBytes(a: string, b: string): boolean {
  return Buffer.from(a.slice(2), 'base64url').equals(Buffer.from(b.slice(2), 'base64url'))
}

test('a changed shared entry, or one of another user or key, counts as absent and throws nothing', () => {
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
    fc.property(change, fc.constantFrom('bob', 'alice', ''), (apply, username) => {
      const changed = apply(entry)
      const found = decodeEntry(username, changed, keys)
      assert.ok(found === undefined || (username === 'bob' && changed === entry), changed)
    }),
    { numRuns: 1000 },
  )
})

test('a changed state of a login, with any cookies, is login_failed or the login itself', () => {
  const attempts = createLoginStates(createSeal([secret], 'login'), secret, () => 1_790_000_000_000)
  const { state, cookie, binding } = attempts.start(undefined, '/app')
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
        change,
        fc.constant((text: string) => text),
      ),
      cookies,
      (apply, header) => {
        const changed = apply(state)
        try {
          assert.equal(attempts.read(changed, header).returnTo, '/app')
          attempts.consume(changed, header)
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          assert.equal(error.code, 'login_failed')
        }
      },
    ),
    { numRuns: 1000 },
  )
})

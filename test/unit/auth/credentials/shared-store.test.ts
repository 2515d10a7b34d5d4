import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLock, isLockOrTaint } from '../../../../src/auth/credentials/shared-store.ts'
import { createMemorySharedStore } from '../../../support/memory-shared-store.ts'
import { testSharedStore } from './shared-store-contract.ts'

testSharedStore(() => {
  let now = 0
  const store = createMemorySharedStore(() => now)
  const notifications: string[] = []
  store.onChange((username, stateId) => notifications.push(`${username} ${stateId}`))
  const pass = async (milliseconds: number) => {
    now += milliseconds
  }
  return { store, notifications: async () => notifications, pass }
})

for (const [what, value, kind] of [
  ['no value', '', 'neither a lock nor a taint'],
  ['an entry', '2026-11-23 7 4884fdaa 1795447047906 - fingerprint nonce seal', 'neither a lock nor a taint'],
  ['a lock', '!token', 'a lock'],
  ['a lock on a tainted user', '?token', 'a lock'],
  ['a taint', '?token.', 'a taint'],
] as const) {
  test(`${what} in the shared store counts as ${kind}`, () => {
    assert.equal(isLock(value), kind === 'a lock')
    assert.equal(isLockOrTaint(value), kind === 'a lock' || kind === 'a taint')
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createRevocations } from '../../../src/sessions/revocations.ts'
import { type CachedSession, createSessionCache } from '../../../src/sessions/session-cache.ts'
import type { SessionStore } from '../../../src/sessions/store.ts'

test('deletions that the store missed are repeated once each, at most 16 at a time, however often lookups flush them', async () => {
  let isAvailable = false
  let running = 0
  let maxRunning = 0
  const deleted: string[] = []
  const store = {
    async delete(key: string) {
      if (!isAvailable) throw new Error('the store is unavailable')
      maxRunning = Math.max(maxRunning, ++running)
      await yieldToLoop()
      running--
      deleted.push(key)
      return true
    },
  } as unknown as SessionStore
  const { revoke, flushPending } = createRevocations(store, createSessionCache(10), () => {})
  const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`)
  for (const key of keys) await assert.rejects(revoke(key))
  flushPending() // the store is still unavailable
  await yieldToLoop()
  isAvailable = true
  while (deleted.length < keys.length) {
    flushPending()
    await yieldToLoop()
  }
  assert.deepEqual(deleted.toSorted(), keys.toSorted())
  assert.equal(maxRunning, 16)
})

test('a deletion that the store missed is repeated although others, of invented ids, wait as well', async () => {
  let isAvailable = false
  const deleted = new Set<string>()
  const store = {
    async delete(key: string) {
      if (!isAvailable) throw new Error('the store is unavailable')
      deleted.add(key)
      return true
    },
  } as unknown as SessionStore
  const cache = createSessionCache(10)
  cache.set('id', { key: 'real', identity: { username: 'alice' } } as CachedSession)
  const { revoke, isRevoked, flushPending } = createRevocations(store, cache, () => {})
  const revokeInvented = async (prefix: string) => {
    for (let i = 0; i < 10_001; i++) await revoke(`${prefix}-${i}`).catch(() => {})
  }
  await revokeInvented('before')
  await assert.rejects(revoke('real'))
  await revokeInvented('after')
  assert.equal(isRevoked('real'), true)
  isAvailable = true
  flushPending()
  await yieldToLoop()
  assert.ok(deleted.has('real'))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { createRevocations } from '../../../src/sessions/revocations.ts'
import { createSessionCache } from '../../../src/sessions/session-cache.ts'
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

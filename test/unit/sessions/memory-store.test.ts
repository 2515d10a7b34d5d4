import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemorySessionStore } from '../../../src/sessions/memory-store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { testSessionStore } from './session-store-contract.ts'

describe('the session store in memory', () => {
  testSessionStore(async () => {
    const clock = createFakeClock(1_790_000_000_000)
    return { store: createMemorySessionStore(100, clock.now), advance: clock.advance, receivedEvents: undefined }
  })

  test('a session stays in its indexes however often others sign in and out', async () => {
    const store = createMemorySessionStore(10, () => 0)
    const signIn = async (key: string) => {
      for (const name of [`sub ${key}`, `sid ${key}`, `user ${key}`]) await store.addToIndex(name, { key, ttlMs: 1000 })
      await store.put(key, { value: 'sealed', ttlMs: 1000, description: undefined })
    }
    await signIn('alice')
    for (let i = 0; i < 100; i++) {
      await signIn(`mallory-${i}`)
      await store.delete(`mallory-${i}`)
    }
    assert.deepEqual(await store.listIndex('sub alice'), ['alice'])
    for (let i = 0; i < 100; i++) await signIn(`crowd-${i}`) // evicts alice's session
    assert.equal(await store.has('alice'), false)
    assert.deepEqual(await store.listIndex('sub alice'), [])
  })
})

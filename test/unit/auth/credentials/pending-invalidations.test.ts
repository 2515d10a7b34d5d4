import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPendingInvalidations } from '../../../../src/auth/credentials/pending-invalidations.ts'

/** Invalidations wait until the test confirms them. */
function createTestBed() {
  const requests: { username: string; confirm: () => void; fail: () => void }[] = []
  const pending = createPendingInvalidations((username) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    requests.push({ username, confirm: resolve, fail: () => reject(new Error('no Redis')) })
    return promise
  })
  const confirmAll = async () => {
    for (const { confirm } of requests.splice(0)) confirm()
    await new Promise(setImmediate)
  }
  return { ...pending, requests, confirmAll }
}

test('flush invalidates 3,000 users, at most 16 at a time, however often it is called', async () => {
  const { add, flush, requests, confirmAll } = createTestBed()
  for (let i = 0; i < 3000; i++) add(`user-${i}`)
  let maxConcurrent = 0
  let invalidated = 0
  for (void flush(); requests.length > 0; void flush()) {
    maxConcurrent = Math.max(maxConcurrent, requests.length)
    invalidated += requests.length
    await confirmAll()
  }
  assert.equal(invalidated, 3000)
  assert.equal(maxConcurrent, 16)
})

test('a user stays pending until the invalidation is confirmed', async () => {
  const { add, flush, has, confirmAll } = createTestBed()
  add('bob')
  void flush()
  assert.ok(has('bob'))
  await confirmAll()
  assert.ok(!has('bob'))
})

test('a pending invalidation that is added again during a flush is carried out again', async () => {
  const { add, flush, has, requests, confirmAll } = createTestBed()
  add('bob')
  void flush()
  add('bob')
  await confirmAll()
  assert.ok(has('bob'))
  assert.equal(requests.length, 1)
  await confirmAll()
  assert.ok(!has('bob'))
})

test('a failed invalidation ends the flush, and users that always fail do not delay the others', async () => {
  const { add, flush, has, requests } = createTestBed()
  for (let i = 0; i < 40; i++) add(`user-${i}`)
  const alwaysFails = (username: string) => Number(username.slice('user-'.length)) < 20
  for (let round = 0; round < 10; round++) {
    void flush()
    while (requests.length > 0) {
      for (const { username, confirm, fail } of requests.splice(0)) alwaysFails(username) ? fail() : confirm()
      await new Promise(setImmediate)
    }
  }
  for (let i = 0; i < 40; i++) assert.equal(has(`user-${i}`), i < 20)
})

test('at most 10,000 users are pending', () => {
  const { add, has } = createTestBed()
  for (let i = 0; i < 10_001; i++) add(`user-${i}`)
  assert.ok(has('user-9999'))
  assert.ok(!has('user-10000'))
})

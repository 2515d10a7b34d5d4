import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPendingInvalidations } from '../../../../src/auth/credentials/pending-invalidations.ts'

/** Marks wait until the test answers them. */
function createWorld() {
  const asked: { username: string; answer: () => void; fail: () => void }[] = []
  const debts = createPendingInvalidations((username) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    asked.push({ username, answer: resolve, fail: () => reject(new Error('no Redis')) })
    return promise
  })
  const answerAll = async () => {
    for (const { answer } of asked.splice(0)) answer()
    await new Promise(setImmediate)
  }
  return { ...debts, asked, answerAll }
}

test('thousands are paid a few at a time, whoever asks in the meantime', async () => {
  const world = createWorld()
  for (let i = 0; i < 3000; i++) world.add(`user-${i}`)
  let most = 0
  let marked = 0
  for (void world.flush(); world.asked.length > 0; void world.flush()) {
    most = Math.max(most, world.asked.length)
    marked += world.asked.length
    await world.answerAll()
  }
  assert.equal(marked, 3000)
  assert.equal(most, 16)
})

test('who is owed stays so until the mark stands', async () => {
  const world = createWorld()
  world.add('bob')
  void world.flush()
  assert.ok(world.has('bob'))
  await world.answerAll()
  assert.ok(!world.has('bob'))
})

test('what is owed anew while it is paid is paid again', async () => {
  const world = createWorld()
  world.add('bob')
  void world.flush()
  world.add('bob')
  await world.answerAll()
  assert.ok(world.has('bob'))
  assert.equal(world.asked.length, 1)
  await world.answerAll()
  assert.ok(!world.has('bob'))
})

test('a mark that fails ends it, until the next occasion; one that always fails holds nobody up', async () => {
  const world = createWorld()
  for (let i = 0; i < 40; i++) world.add(`user-${i}`)
  const never = (username: string) => Number(username.slice('user-'.length)) < 20
  for (let occasion = 0; occasion < 10; occasion++) {
    void world.flush()
    while (world.asked.length > 0) {
      for (const { username, answer, fail } of world.asked.splice(0)) never(username) ? fail() : answer()
      await new Promise(setImmediate)
    }
  }
  for (let i = 0; i < 40; i++) assert.equal(world.has(`user-${i}`), i < 20)
})

test('ten thousand are remembered, and no more', () => {
  const world = createWorld()
  for (let i = 0; i < 10_001; i++) world.add(`user-${i}`)
  assert.ok(world.has('user-9999'))
  assert.ok(!world.has('user-10000'))
})

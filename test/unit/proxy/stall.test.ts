import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { createStallWatch } from '../../../src/proxy/stall.ts'

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
afterEach(() => mock.timers.reset())

function watch(response: { writableLength: number }) {
  const stalls: number[] = []
  const stall = createStallWatch(response, 1000, () => stalls.push(response.writableLength))
  return { ...stall, stalls }
}

test('a client that takes nothing for so long is stalled, once', () => {
  const { start, stalls } = watch({ writableLength: 100 })
  start()
  mock.timers.tick(999)
  assert.deepEqual(stalls, [])
  mock.timers.tick(5000)
  assert.deepEqual(stalls, [100])
})

test('one that takes a little now and then is not', () => {
  const response = { writableLength: 100 }
  const { start, stalls } = watch(response)
  start()
  for (const left of [99, 40, 39]) {
    response.writableLength = left
    mock.timers.tick(1000)
  }
  assert.deepEqual(stalls, [])
  mock.timers.tick(1000)
  assert.deepEqual(stalls, [39])
})

test('one that has made room is not', () => {
  const { start, stop, stalls } = watch({ writableLength: 100 })
  start()
  stop()
  mock.timers.tick(5000)
  start()
  mock.timers.tick(999)
  start() // there is more for it
  mock.timers.tick(999)
  assert.deepEqual(stalls, [])
})

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { createSendTimeout } from '../../../src/proxy/send-timeout.ts'

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
afterEach(() => mock.timers.reset())

/** A client for whom so much waits. */
function client(writableLength: number) {
  return Object.assign(new EventEmitter(), { writableLength })
}

function watch(response: ReturnType<typeof client>) {
  const stalls: number[] = []
  let drains = 0
  const stall = createSendTimeout(response as unknown as ServerResponse, 1000, {
    onTimeout: () => stalls.push(response.writableLength),
    onDrain: () => drains++,
  })
  return { ...stall, stalls, drains: () => drains }
}

test('a client that takes nothing for so long is stalled, once', () => {
  const { start, stalls } = watch(client(100))
  start()
  mock.timers.tick(999)
  assert.deepEqual(stalls, [])
  mock.timers.tick(5000)
  assert.deepEqual(stalls, [100])
})

test('one that takes a little now and then is not', () => {
  const response = client(100)
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

test('one that has made room is not, and whoever waits for it hears of it', () => {
  const response = client(100)
  const { start, stalls, drains } = watch(response)
  start()
  response.emit('drain')
  assert.equal(drains(), 1)
  mock.timers.tick(5000)
  start()
  mock.timers.tick(999)
  start() // there is more for it
  mock.timers.tick(999)
  assert.deepEqual(stalls, [])
})

test('one that is watched no more is let go of', () => {
  const response = client(100)
  const { start, end, stalls, drains } = watch(response)
  start()
  end()
  response.emit('drain')
  mock.timers.tick(5000)
  assert.deepEqual([stalls, drains()], [[], 0])
  assert.equal(response.listenerCount('drain'), 0)
})

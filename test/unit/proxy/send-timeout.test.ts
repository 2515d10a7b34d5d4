import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { createSendTimeout } from '../../../src/proxy/send-timeout.ts'

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
afterEach(() => mock.timers.reset())

/** A response of which so many bytes are buffered. */
function createResponse(writableLength: number) {
  return Object.assign(new EventEmitter(), { writableLength })
}

function createTimeout(response: ReturnType<typeof createResponse>) {
  /** The number of buffered bytes at each timeout. */
  const timeouts: number[] = []
  let drains = 0
  const sendTimeout = createSendTimeout(response as unknown as ServerResponse, 1000, {
    onTimeout: () => timeouts.push(response.writableLength),
    onDrain: () => drains++,
  })
  return { ...sendTimeout, timeouts, drains: () => drains }
}

test('the send timeout fires once for a client that reads nothing', () => {
  const { start, timeouts } = createTimeout(createResponse(100))
  start()
  mock.timers.tick(999)
  assert.deepEqual(timeouts, [])
  mock.timers.tick(5000)
  assert.deepEqual(timeouts, [100])
})

test('the send timeout does not fire while the client reads something in each period', () => {
  const response = createResponse(100)
  const { start, timeouts } = createTimeout(response)
  start()
  for (const remaining of [99, 40, 39]) {
    response.writableLength = remaining
    mock.timers.tick(1000)
  }
  assert.deepEqual(timeouts, [])
  mock.timers.tick(1000)
  assert.deepEqual(timeouts, [39])
})

test('the send timeout stops at the drain event, calls onDrain, and can be started again', () => {
  const response = createResponse(100)
  const { start, timeouts, drains } = createTimeout(response)
  start()
  response.emit('drain')
  assert.equal(drains(), 1)
  mock.timers.tick(5000)
  start()
  mock.timers.tick(999)
  start() // more was written
  mock.timers.tick(999)
  assert.deepEqual(timeouts, [])
})

test('the send timeout removes its timer and its listener when it ends', () => {
  const response = createResponse(100)
  const { start, end, timeouts, drains } = createTimeout(response)
  start()
  end()
  response.emit('drain')
  mock.timers.tick(5000)
  assert.deepEqual([timeouts, drains()], [[], 0])
  assert.equal(response.listenerCount('drain'), 0)
})

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { isUnsent } from '../../../../src/http/response.ts'
import { limitStall } from '../../../../src/server/http1/stall-limit.ts'
import { stallTimeoutMs } from '../../../../src/server/listen/limits.ts'

beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }))
afterEach(() => mock.timers.reset())

type FakeResponse = EventEmitter & { socket: object | null | undefined; writableLength: number; destroyed: boolean }

function createResponse(changes: Partial<FakeResponse> = {}): FakeResponse {
  const response = Object.assign(new EventEmitter(), {
    socket: {},
    writableLength: 10,
    destroyed: false,
    destroy() {
      response.destroyed = true
      response.emit('close')
    },
    ...changes,
  })
  return response
}

const startLimit = (response: FakeResponse) => limitStall(response as unknown as ServerResponse)

test('a connection is destroyed when its client reads nothing of a response for 120 s', () => {
  const response = createResponse()
  startLimit(response)
  mock.timers.tick(stallTimeoutMs - 1)
  assert.ok(!response.destroyed)
  mock.timers.tick(1)
  assert.ok(response.destroyed)
})

test('a connection stays open while its client reads a part of the response every 120 s', () => {
  const response = createResponse()
  startLimit(response)
  for (let left = 9; left > 0; left--) {
    response.writableLength = left
    mock.timers.tick(stallTimeoutMs)
    assert.ok(!response.destroyed)
  }
})

test('the 120 s stall limit of a response starts when the earlier responses have been sent', () => {
  const response = createResponse({ socket: null })
  startLimit(response)
  mock.timers.tick(10 * stallTimeoutMs)
  response.socket = {}
  mock.timers.tick(stallTimeoutMs)
  assert.ok(!response.destroyed)
  mock.timers.tick(stallTimeoutMs)
  assert.ok(response.destroyed)
})

test('the stall limit ignores sent, destroyed and HTTP/2 responses', () => {
  const sent = createResponse()
  startLimit(sent)
  sent.emit('close')
  const destroyed = createResponse({ destroyed: true })
  startLimit(destroyed)
  const http2 = createResponse({ socket: undefined })
  startLimit(http2)
  mock.timers.tick(2 * stallTimeoutMs)
  assert.deepEqual([sent.destroyed, http2.destroyed, destroyed.listenerCount('close')], [false, false, 0])
})

test('a response is unsent while it waits for earlier responses or for its client, and sent once the kernel has it', () => {
  const isFakeUnsent = (changes: Partial<FakeResponse> & { writableFinished?: boolean }) =>
    isUnsent(createResponse(changes) as unknown as ServerResponse)
  assert.ok(isFakeUnsent({ socket: null, writableLength: 0 }))
  assert.ok(isFakeUnsent({ writableLength: 1 }))
  assert.ok(!isFakeUnsent({ writableLength: 0, writableFinished: false }))
  assert.ok(isFakeUnsent({ socket: undefined, writableFinished: false }), 'HTTP/2')
  assert.ok(!isFakeUnsent({ socket: undefined, writableFinished: true }), 'HTTP/2')
})

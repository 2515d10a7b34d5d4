import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { isUnsent, limitStall } from '../../../../src/server/http1/stall-limit.ts'
import { stallTimeoutMs } from '../../../../src/server/listen/limits.ts'

beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }))
afterEach(() => mock.timers.reset())

type Fake = EventEmitter & { socket: object | null | undefined; writableLength: number; destroyed: boolean }

function createResponse(changes: Partial<Fake> = {}): Fake {
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

const watch = (response: Fake) => limitStall(response as unknown as ServerResponse)

test('a client that reads nothing of a response for 120 s loses its connection', () => {
  const response = createResponse()
  watch(response)
  mock.timers.tick(stallTimeoutMs - 1)
  assert.ok(!response.destroyed)
  mock.timers.tick(1)
  assert.ok(response.destroyed)
})

test('a client that reads some of a response every 120 s keeps its connection', () => {
  const response = createResponse()
  watch(response)
  for (let left = 9; left > 0; left--) {
    response.writableLength = left
    mock.timers.tick(stallTimeoutMs)
    assert.ok(!response.destroyed)
  }
})

test('the 120 s of a response begin when the responses before it have been sent', () => {
  const response = createResponse({ socket: null })
  watch(response)
  mock.timers.tick(10 * stallTimeoutMs)
  response.socket = {}
  mock.timers.tick(stallTimeoutMs)
  assert.ok(!response.destroyed)
  mock.timers.tick(stallTimeoutMs)
  assert.ok(response.destroyed)
})

test('a response that has been sent, one that is cut and one of HTTP/2 have no limit', () => {
  const out = createResponse()
  watch(out)
  out.emit('close')
  const cut = createResponse({ destroyed: true })
  watch(cut)
  const http2 = createResponse({ socket: undefined })
  watch(http2)
  mock.timers.tick(2 * stallTimeoutMs)
  assert.deepEqual([out.destroyed, http2.destroyed, cut.listenerCount('close')], [false, false, 0])
})

test('a response is unsent while it waits for its turn or its client, and not once the kernel has it', () => {
  const unsent = (changes: Partial<Fake> & { writableFinished?: boolean }) =>
    isUnsent(createResponse(changes) as unknown as ServerResponse)
  assert.ok(unsent({ socket: null, writableLength: 0 }))
  assert.ok(unsent({ writableLength: 1 }))
  assert.ok(!unsent({ writableLength: 0, writableFinished: false }))
  assert.ok(unsent({ socket: undefined, writableFinished: false }), 'HTTP/2')
  assert.ok(!unsent({ socket: undefined, writableFinished: true }), 'HTTP/2')
})

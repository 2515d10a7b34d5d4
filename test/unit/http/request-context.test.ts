import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { RequestContext, type RequestReader } from '../../../src/http/request-context.ts'

const request = { method: 'PUT', url: '/a' } as IncomingMessage
const original = Object.freeze({ method: 'GET', target: '/b' })

function create(isTrusted: boolean) {
  const calls: unknown[] = []
  const reader: RequestReader = {
    explainDistrust: () => '',
    isTrusted(received) {
      calls.push(['isTrusted', received])
      return isTrusted
    },
    originalOf(received, trusted) {
      calls.push(['originalOf', received, trusted])
      return original
    },
    clientAddressOf(received, trusted) {
      calls.push(['clientAddressOf', received, trusted])
      return '192.0.2.10'
    },
  }
  return { context: new RequestContext(request, reader, 'id-1', 12.5), calls }
}

for (const isTrusted of [true, false]) {
  test(`whether a peer is trusted is asked once, also if the answer is ${isTrusted}`, () => {
    const { context, calls } = create(isTrusted)
    assert.deepEqual(calls, [])
    for (let i = 0; i < 3; i++) assert.equal(context.isTrusted, isTrusted)
    assert.deepEqual(calls, [['isTrusted', request]])
  })

  test(`the original request is read once, from a peer with isTrusted ${isTrusted}`, () => {
    const { context, calls } = create(isTrusted)
    for (let i = 0; i < 3; i++) assert.equal(context.original, original)
    assert.deepEqual(calls, [
      ['isTrusted', request],
      ['originalOf', request, isTrusted],
    ])
  })
}

for (const isTrusted of [true, false]) {
  test(`the client's address is read only where it is needed, from a peer with isTrusted ${isTrusted}`, () => {
    const { context, calls } = create(isTrusted)
    assert.deepEqual(calls, [])
    assert.equal(context.clientAddress, '192.0.2.10')
    assert.deepEqual(calls, [
      ['isTrusted', request],
      ['clientAddressOf', request, isTrusted],
    ])
  })
}

test('a context has the request, its id and the time of its arrival', () => {
  const { context } = create(true)
  assert.deepEqual([context.request, context.id, context.startedAt], [request, 'id-1', 12.5])
})

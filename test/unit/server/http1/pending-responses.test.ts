import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { createPendingResponses } from '../../../../src/server/http1/pending-responses.ts'

function createConnection() {
  const socket = Object.assign(new EventEmitter(), { writable: true }) as Socket
  const sent: string[] = []
  const { add, remove, runWhenFlushed } = createPendingResponses(() => {})
  return {
    /** Adds a pending response. @returns a function that closes it */
    addResponse() {
      const emitter = Object.assign(new EventEmitter(), {
        req: { socket, complete: true },
      })
      const response = emitter as unknown as ServerResponse
      add(response)
      emitter.on('close', () => remove(response))
      return () => emitter.emit('close')
    },
    sendError: (status: string) => runWhenFlushed(socket, () => sent.push(status)),
    sent,
  }
}

test('a 408 for the next request is not sent if its head arrives while an earlier response is pending', () => {
  const { addResponse, sendError, sent } = createConnection()
  const closeFirst = addResponse()
  sendError('408')
  const closeSecond = addResponse()
  sendError('400') // after the second request
  closeFirst()
  assert.deepEqual(sent, [])
  closeSecond()
  assert.deepEqual(sent, ['400'])
})

test('only the first of several errors after a pending response is sent', () => {
  const { addResponse, sendError, sent } = createConnection()
  const close = addResponse()
  for (const status of ['first', 'second', 'third']) sendError(status)
  close()
  assert.deepEqual(sent, ['first'])
})

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { Connection } from '../../../../src/server/http1/connection.ts'

function createConnection() {
  const sent: string[] = []
  const socket = new Duplex({
    read() {
      this.push(null)
    },
    write(status, _encoding, done) {
      sent.push(String(status))
      done()
    },
  })
  const connection = new Connection(socket as Socket)
  return {
    /** Adds a pending response. @returns a function that closes it */
    addResponse() {
      const request = { socket, complete: true, headers: {}, rawHeaders: [] }
      const response = { req: request, shouldKeepAlive: true } as unknown as ServerResponse
      connection.requestArrived(response)
      return () => connection.responseClosed(response, 0, () => {})
    },
    sendError: (status: string) => connection.failed(() => status),
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

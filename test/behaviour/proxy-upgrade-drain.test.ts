import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-request.ts'
import { portOf, startRawUpstream } from '../support/upstream.ts'
import { askForWebSocket, switched } from '../support/web-socket.ts'
import { createSetting } from './setting.ts'

const upstream = await startRawUpstream((socket) => socket.write(switched))
const { standIn, start } = await createSetting()

function startLeaving(shutdownTimeout: string): Promise<Gateway> {
  return start({
    flags: {
      'proxy.enabled': 'true',
      'proxy.elasticsearch_url': upstream.url,
      shutdown_timeout: shutdownTimeout,
    },
  })
}

describe('after SIGTERM', () => {
  test('a WebSocket whose user never becomes known is cut after shutdown_timeout', async () => {
    const leaving = await startLeaving('200ms')
    const letGo = standIn.holdWrites()
    const connection = askForWebSocket(leaving, '/', ['Remote-User: never'])
    await standIn.whenHeld(1)
    assert.equal(await leaving.stop(), 0)
    assert.equal(await connection.closed, '')
    letGo()
  })

  test('what is no WebSocket is cut then, too', async () => {
    const leaving = await startLeaving('200ms')
    const letGo = standIn.holdWrites()
    const connection = openRaw(portOf(leaving))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: waiting\r\n\r\n')
    await standIn.whenHeld(1)
    assert.equal(await leaving.stop(), 0)
    assert.equal(await connection.closed, '')
    letGo()
  })
})

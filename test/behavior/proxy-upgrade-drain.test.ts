import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { beforeEach, describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture } from './fixture.ts'

let answer: (socket: Socket) => void
const upstream = await startRawUpstream((socket) => answer(socket))
const { elasticsearch, start } = await createFixture()

beforeEach(() => {
  answer = (socket) => socket.write(switchingProtocols)
})

function startWithUsers(shutdownTimeout = '1h'): Promise<Gateway> {
  return start({
    flags: {
      'proxy.enabled': 'true',
      'proxy.elasticsearch_url': upstream.url,
      shutdown_timeout: shutdownTimeout,
    },
  })
}

/** SIGTERM. @returns when it is heard, and the exit code in the end */
async function stop(gateway: Gateway): Promise<{ code: Promise<number | null> }> {
  const code = gateway.stop()
  await gateway.logged(({ message = '' }) => message.startsWith('stopping'))
  return { code }
}

describe('after SIGTERM', () => {
  test('a WebSocket whose user is not known yet is refused, and the upstream does not hear of it', async () => {
    const leaving = await startWithUsers()
    const letGo = elasticsearch.holdWrites()
    const connection = requestWebSocket(leaving, '/held', ['Remote-User: held'])
    await elasticsearch.whenHeld(1)
    const before = upstream.received()
    const { code } = await stop(leaving)
    letGo()
    assert.match(await connection.closed, /^HTTP\/1\.1 503 [\s\S]*"stopping"/)
    assert.equal(await code, 0)
    assert.equal(upstream.received(), before)
    const line = await leaving.logged((one) => one['url.path'] === '/held')
    assert.deepEqual(
      [line['http.response.status_code'], line['error.code'], line['user.name']],
      [503, 'stopping', 'held'],
    )
  })

  test('one that the upstream has not answered yet is refused, and its upstream connection closed', async () => {
    const leaving = await startWithUsers()
    const asked = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    answer = (socket) => {
      socket.once('close', () => gone.resolve())
      asked.resolve()
    }
    const connection = requestWebSocket(leaving, '/asked')
    await asked.promise
    const { code } = await stop(leaving)
    assert.match(await connection.closed, /^HTTP\/1\.1 503 [\s\S]*"stopping"/)
    await gone.promise
    assert.equal(await code, 0)
    const line = await leaving.logged((one) => one['url.path'] === '/asked')
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [503, 'stopping'])
  })

  test('an upstream’s answer in place of a tunnel is finished first', async () => {
    const leaving = await startWithUsers()
    let finish = () => {}
    answer = (socket) => {
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nhalf')
      finish = () => void socket.write('half')
    }
    const connection = requestWebSocket(leaving, '/')
    await connection.until(/half$/)
    const { code } = await stop(leaving)
    finish()
    assert.match(await connection.closed, /halfhalf$/)
    assert.equal(await code, 0)
  })

  test('a WebSocket whose user never becomes known is cut after shutdown_timeout', async () => {
    const leaving = await startWithUsers('200ms')
    const letGo = elasticsearch.holdWrites()
    const connection = requestWebSocket(leaving, '/', ['Remote-User: never'])
    await elasticsearch.whenHeld(1)
    assert.equal(await leaving.stop(), 0)
    assert.equal(await connection.closed, '')
    letGo()
  })

  test('what is no WebSocket is cut then, too', async () => {
    const leaving = await startWithUsers('200ms')
    const letGo = elasticsearch.holdWrites()
    const connection = openRaw(portOf(leaving))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: waiting\r\n\r\n')
    await elasticsearch.whenHeld(1)
    assert.equal(await leaving.stop(), 0)
    assert.equal(await connection.closed, '')
    letGo()
  })
})

test('a WebSocket whose client is gone before its user is known: 499, and the upstream does not hear of it', async () => {
  const gateway = await startWithUsers()
  const letGo = elasticsearch.holdWrites()
  const connection = requestWebSocket(gateway, '/gone', ['Remote-User: gone'])
  await elasticsearch.whenHeld(1)
  const before = upstream.received()
  connection.socket.resetAndDestroy()
  await connection.closed
  await fetch(`${gateway.url}/elastauth/health`) // what came before it has been noticed
  letGo()
  const line = await gateway.logged((one) => one['url.path'] === '/gone')
  assert.deepEqual([line['http.response.status_code'], line['error.code']], [499, 'client_closed'])
  assert.equal(upstream.received(), before)
})

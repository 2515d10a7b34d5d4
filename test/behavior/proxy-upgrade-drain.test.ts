import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket, switchingProtocols } from '../support/web-socket.ts'
import { createFixture } from './fixture.ts'

const upstream = await startRawUpstream((socket) => socket.write(switchingProtocols))
const { elasticsearch, start } = await createFixture()

function startWithUsers(shutdownTimeout = '1h'): Promise<Gateway> {
  return start({
    flags: {
      'proxy.enabled': 'true',
      'proxy.elasticsearch_url': upstream.url,
      shutdown_timeout: shutdownTimeout,
    },
  })
}

/** Sends SIGTERM. Resolves when the gateway has logged it, with a promise of its exit code. */
async function stop(gateway: Gateway): Promise<{ code: Promise<number | null> }> {
  const code = gateway.stop()
  await gateway.logged(({ message = '' }) => message.startsWith('stopping'))
  return { code }
}

describe('upgrades after SIGTERM', () => {
  test('after SIGTERM, a WebSocket that is still being authenticated gets 503, and no request is sent to the upstream', async () => {
    const stopping = await startWithUsers()
    const release = elasticsearch.holdWrites()
    const connection = requestWebSocket(stopping, '/pending', ['Remote-User: pending'])
    await elasticsearch.whenHeld(1)
    const before = upstream.received()
    const { code } = await stop(stopping)
    release()
    assert.match(await connection.closed, /^HTTP\/1\.1 503 [\s\S]*"stopping"/)
    assert.equal(await code, 0)
    assert.equal(upstream.received(), before)
    const line = await stopping.logged((one) => one['url.path'] === '/pending')
    assert.deepEqual(
      [line['http.response.status_code'], line['error.code'], line['user.name']],
      [503, 'stopping', 'pending'],
    )
  })

  test('after SIGTERM, a WebSocket still waiting for its upstream gets 503, and the upstream connection is closed', async () => {
    const stopping = await startWithUsers()
    const received = Promise.withResolvers<void>()
    const closed = Promise.withResolvers<void>()
    upstream.respondWith((socket) => {
      socket.once('close', () => closed.resolve())
      received.resolve()
    })
    const connection = requestWebSocket(stopping, '/connecting')
    await received.promise
    const { code } = await stop(stopping)
    assert.match(await connection.closed, /^HTTP\/1\.1 503 [\s\S]*"stopping"/)
    await closed.promise
    assert.equal(await code, 0)
    const line = await stopping.logged((one) => one['url.path'] === '/connecting')
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [503, 'stopping'])
  })

  test('after SIGTERM, completes the response of an upstream that rejects an upgrade', async () => {
    const stopping = await startWithUsers()
    let finish = () => {}
    upstream.respondWith((socket) => {
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nhalf')
      finish = () => void socket.write('half')
    })
    const connection = requestWebSocket(stopping, '/')
    await connection.until(/half$/)
    const { code } = await stop(stopping)
    finish()
    assert.match(await connection.closed, /halfhalf$/)
    assert.equal(await code, 0)
  })

  test('after shutdown_timeout, closes a WebSocket that is still being authenticated', async () => {
    const stopping = await startWithUsers('200ms')
    const release = elasticsearch.holdWrites()
    const connection = requestWebSocket(stopping, '/', ['Remote-User: never'])
    await elasticsearch.whenHeld(1)
    assert.equal(await stopping.stop(), 0)
    assert.equal(await connection.closed, '')
    release()
  })

  test('after shutdown_timeout, closes a request that is still being authenticated', async () => {
    const stopping = await startWithUsers('200ms')
    const release = elasticsearch.holdWrites()
    const connection = openRaw(portOf(stopping))
    connection.send('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: waiting\r\n\r\n')
    await elasticsearch.whenHeld(1)
    assert.equal(await stopping.stop(), 0)
    assert.equal(await connection.closed, '')
    release()
  })
})

test('logs 499 for a WebSocket whose client disconnects during authentication, and sends no request to the upstream', async () => {
  const gateway = await startWithUsers()
  const release = elasticsearch.holdWrites()
  const connection = requestWebSocket(gateway, '/gone', ['Remote-User: gone'])
  await elasticsearch.whenHeld(1)
  const before = upstream.received()
  connection.socket.resetAndDestroy()
  await connection.closed
  await fetch(`${gateway.url}/elastauth/health`) // the gateway has noticed the closed connection by now
  release()
  const line = await gateway.logged((one) => one['url.path'] === '/gone')
  assert.deepEqual([line['http.response.status_code'], line['error.code']], [499, 'client_closed'])
  assert.equal(upstream.received(), before)
})

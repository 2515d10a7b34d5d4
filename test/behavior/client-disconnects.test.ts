import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { createFixture, sendSubRequest } from './fixture.ts'
import { createProviderFor, startTokens } from './oidc-gateway.ts'

const fixture = await createFixture()
const { elasticsearch, elasticsearchUrl, start, userCalls } = fixture
const gateway = await start()

/** Sends a sub-request for this path, and disconnects while the user is being written. @returns a function that completes the write */
async function disconnectDuringWrite(path: string, username: string): Promise<() => void> {
  const releaseWrites = elasticsearch.holdWrites()
  const controller = new AbortController()
  const response = fetch(gateway.url, {
    headers: { 'Remote-User': username, 'X-Forwarded-Uri': path },
    signal: controller.signal,
  })
  await elasticsearch.whenHeld(1)
  controller.abort()
  await assert.rejects(response)
  return releaseWrites
}

test('a credential is cached even if the client disconnects before the response', async () => {
  const username = 'disconnecting'
  const writes = elasticsearch.counters.writes
  const releaseWrites = await disconnectDuringWrite('/', username)
  releaseWrites()
  await gateway.logged(({ message = '' }) => message.includes(`user ${username}: created`))
  const calls = userCalls()
  await sendSubRequest(gateway.url, username)
  assert.deepEqual([userCalls(), elasticsearch.counters.writes], [calls, writes + 1])
})

test('a request is logged as 499 if the client disconnects before the response', async () => {
  const releaseWrites = await disconnectDuringWrite('/disconnected', 'disconnected')
  await gateway.logged(({ message = '' }) => message.startsWith('GET /disconnected 499'))
  releaseWrites()
})

test('in proxy mode, the address of a client that disconnects during authentication with a token is logged', async () => {
  const provider = await createProviderFor()
  const flags = { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': elasticsearchUrl }
  const proxy = await startTokens(fixture, provider, { flags })
  const authorization = `Authorization: Bearer ${await provider.sign({ preferred_username: 'disconnecting-ann' })}`
  const releaseWrites = elasticsearch.holdWrites()
  const { sendLines, socket } = openRaw(proxy.url)
  sendLines('GET /disconnected HTTP/1.1', 'Host: es', authorization, '')
  await elasticsearch.whenHeld(1)
  socket.destroy()
  await once(socket, 'close')
  await fetch(`${proxy.url}/elastauth/health`) // the gateway has noticed the closed connection by now
  releaseWrites()
  const line = await proxy.logged((one) => one['url.path'] === '/disconnected')
  assert.deepEqual([line['http.response.status_code'], line['client.ip']], [499, '127.0.0.1'])
})

test('a client that resets its connection during an invalid request affects no other client', async () => {
  for (const bytes of [
    'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n',
    'not HTTP\r\n\r\n',
    'GET / HTTP/1.1\r\n',
  ]) {
    for (let i = 0; i < 20; i++) {
      const { socket } = openRaw(gateway.url)
      socket.write(bytes, () => socket.resetAndDestroy())
      await once(socket, 'close')
    }
  }
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  assert.equal(gateway.process.exitCode, null)
})

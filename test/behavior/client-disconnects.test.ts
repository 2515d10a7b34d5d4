import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createFixture, sendSubRequest } from './fixture.ts'

const { elasticsearch, start, userCalls } = await createFixture()
const gateway = await start()

/** Sends a sub-request for this path, and disconnects while the user's write is in flight. @returns a function that releases the write */
async function askAndLeave(path: string, username: string): Promise<() => void> {
  const letThrough = elasticsearch.holdWrites()
  const leaving = new AbortController()
  const asked = fetch(gateway.url, {
    headers: { 'Remote-User': username, 'X-Forwarded-Uri': path },
    signal: leaving.signal,
  })
  await elasticsearch.whenHeld(1)
  leaving.abort()
  await assert.rejects(asked)
  return letThrough
}

test('a client that leaves before its answer loses nothing: what was done is cached', async () => {
  const username = 'leaving'
  const writes = elasticsearch.counters.writes
  const letThrough = await askAndLeave('/', username)
  letThrough()
  await gateway.logged(({ message = '' }) => message.includes(`user ${username}: created`))
  const calls = userCalls()
  await sendSubRequest(gateway.url, username)
  assert.deepEqual([userCalls(), elasticsearch.counters.writes], [calls, writes + 1])
})

test('a client that leaves before its answer is logged as 499', async () => {
  const letThrough = await askAndLeave('/left', 'left')
  await gateway.logged(({ message = '' }) => message.startsWith('GET /left 499'))
  letThrough()
})

test('a client that resets its connection in the middle of what is no request takes nobody with it', async () => {
  const { hostname, port } = new URL(gateway.url)
  for (const bytes of [
    'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n',
    'no HTTP\r\n\r\n',
    'GET / HTTP/1.1\r\n',
  ]) {
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname, () => socket.write(bytes, () => socket.resetAndDestroy()))
      await once(socket, 'close')
    }
  }
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
  assert.equal(gateway.process.exitCode, null)
})

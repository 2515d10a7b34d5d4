import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { askFor, createSetting } from './setting.ts'

const { standIn, start, userCalls } = await createSetting()
const gateway = await start()

test('a client that leaves before its answer loses nothing: what was done is cached', { timeout: 10_000 }, async () => {
  const username = 'leaving'
  standIn.faults.delay = 100
  const writes = standIn.counters.writes
  const leaving = new AbortController()
  const request = fetch(gateway.url, { headers: { 'Remote-User': username }, signal: leaving.signal })
  while (!standIn.calls.some(({ path }) => path.endsWith(`/${username}`))) await sleep(5)
  leaving.abort()
  await assert.rejects(request)
  await gateway.logged(({ message = '' }) => message.includes(`user ${username}: created`))
  const calls = userCalls()
  await askFor(gateway.url, username)
  assert.deepEqual([userCalls(), standIn.counters.writes], [calls, writes + 1])
})

test('a client that leaves before its answer is logged as 499', { timeout: 5000 }, async () => {
  standIn.faults.delay = 100
  await assert.rejects(
    fetch(`${gateway.url}/left`, { headers: { 'Remote-User': 'left' }, signal: AbortSignal.timeout(30) }),
  )
  await gateway.logged(({ message = '' }) => message.startsWith('GET /left 499'))
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

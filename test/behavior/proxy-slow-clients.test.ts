import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { openRaw, type RawConnection } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const clientCount = 2_000

const upstream = await startUpstream(async (request, response) => {
  if (request.url === '/endless') {
    response.on('error', () => {})
    while (!response.destroyed)
      if (!response.write(Buffer.alloc(64 * 1024))) await once(response, 'drain').catch(() => {})
  } else if (request.url === '/early') response.writeHead(413).end('no')
  else request.resume().on('end', () => response.end('ok'))
})
const gateway = await startProxy(upstream.url)

/** Opens connections and sends the start of a request on each. `dribble` sends one more byte on each. */
async function openClients(gateway: Gateway, start: string): Promise<{ all: RawConnection[]; dribble: () => void }> {
  const all: RawConnection[] = []
  while (all.length < clientCount) {
    // In batches, because the kernel resets connections beyond the listen backlog (511).
    const batch = Array.from({ length: 200 }, () => openRaw(portOf(gateway)))
    await Promise.all(batch.map(({ socket }) => once(socket, 'connect')))
    for (const { send } of batch) send(start)
    all.push(...batch)
  }
  const dribble = () => {
    for (const { socket, send } of all) if (socket.writable) send('x')
  }
  return { all, dribble }
}

async function checkOthers(gateway: Gateway): Promise<void> {
  const send = async (i: number) => {
    const init = i % 2 ? { method: 'POST', body: 'x'.repeat(100_000) } : {}
    const response = await fetch(gateway.url, { headers: { 'Remote-User': 'bob' }, ...init })
    assert.deepEqual([response.status, await response.text()], [200, 'ok'])
  }
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 20 }, (_, i) => send(i)))
}

describe(`slowloris with ${clientCount} connections`, () => {
  test(`times out ${clientCount} clients that send headers a byte at a time, and serves other clients in the meantime`, {
    timeout: 600_000,
  }, async () => {
    const { all, dribble } = await openClients(gateway, 'GET / HTTP/1.1\r\nHost: es\r\nX-A: ')
    const timer = setInterval(dribble, 1000)
    await checkOthers(gateway)
    const texts = await Promise.all(all.map(({ closed }) => closed))
    clearInterval(timer)
    for (const text of texts) assert.match(text, /^(?:HTTP\/1\.1 408 [\s\S]*"request_timeout"[\s\S]*)?$/)
    await checkOthers(gateway)
  })

  for (const [path, status] of [
    ['/', 401],
    ['/elastauth/health', 405],
  ] as const)
    test(`disconnects ${clientCount} anonymous clients that send a body to ${path} a byte at a time after their ${status} response, and serves other clients in the meantime`, async () => {
      // Enough time for all clients to read their responses on one slow core: unread data is lost when a connection is reset.
      const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.timeout': '6s' } })
      const start = `POST ${path} HTTP/1.1\r\nHost: es\r\nContent-Length: 1000000\r\n\r\n`
      const { all, dribble } = await openClients(gatewayWithTimeout, start)
      const timer = setInterval(dribble, 100)
      await checkOthers(gatewayWithTimeout)
      const texts = await Promise.all(all.map(({ closed }) => closed))
      clearInterval(timer)
      for (const text of texts) assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
    })

  test(`serves other clients while ${clientCount} clients of one user send a body a byte at a time`, async () => {
    const { all, dribble } = await openClients(
      gateway,
      'POST / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 1000000\r\n\r\n',
    )
    for (let i = 0; i < 5; i++) {
      dribble()
      await checkOthers(gateway)
    }
    for (const { socket } of all) socket.destroy()
    await checkOthers(gateway)
  })
})

describe('a client that stops reading or sending', () => {
  test('after client_timeout, disconnects a client that does not read its response, and closes the upstream connection', async () => {
    const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.client_timeout': '500ms' } })
    const received = once(upstream.server, 'request')
    const connection = openRaw(portOf(gatewayWithTimeout))
    connection.socket.pause()
    connection.send('GET /endless HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
    const [request] = await received
    await new Promise((resolve) => request.socket.once('close', resolve))
    const { message } = await gatewayWithTimeout.logged((line) => line['url.path'] === '/endless')
    assert.match(message!, /499 the client read nothing of the response for 500 ms/)
    connection.socket.destroy()
  })

  test('does not disconnect a client that pauses reading for less than client_timeout', async () => {
    const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.client_timeout': '4s' } })
    const connection = openRaw(portOf(gatewayWithTimeout))
    connection.send('GET /endless HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
    for (let i = 0; i < 5; i++) {
      await once(connection.socket, 'data')
      connection.socket.pause()
      await sleep(900)
      connection.socket.resume()
    }
    assert.equal(connection.socket.destroyed, false)
    connection.socket.destroy()
  })

  test('after proxy.timeout, disconnects a client that sends the rest of an unwanted body slowly', async () => {
    const gatewayWithTimeout = await startProxy(upstream.url, { flags: { 'proxy.timeout': '500ms' } })
    let text: string
    do {
      const connection = openRaw(portOf(gatewayWithTimeout))
      connection.send('POST /early HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 1000000\r\n\r\nx')
      const timer = setInterval(() => connection.socket.writable && connection.send('x'), 50)
      text = await connection.closed
      clearInterval(timer)
      // On a busy machine, the time may be over before the upstream has responded, or before the client reads the response.
      assert.match(text, /^(?:HTTP\/1\.1 (?:408|413|504) |$)/)
    } while (!text.startsWith('HTTP/1.1 413 '))
  })
})

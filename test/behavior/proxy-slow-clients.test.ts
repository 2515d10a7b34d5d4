import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { openRaw, type RawConnection } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const crowd = 2_000

const upstream = await startUpstream(async (request, response) => {
  if (request.url === '/endless') {
    response.on('error', () => {})
    while (!response.destroyed)
      if (!response.write(Buffer.alloc(64 * 1024))) await once(response, 'drain').catch(() => {})
  } else if (request.url === '/early') response.writeHead(413).end('no')
  else request.resume().on('end', () => response.end('ok'))
})
const gateway = await startProxy(upstream.url)

/** Connections that have begun, and say a byte each time that `dribble` is called. */
async function openCrowd(to: Gateway, beginning: string): Promise<{ all: RawConnection[]; dribble: () => void }> {
  const all: RawConnection[] = []
  while (all.length < crowd) {
    // No more at once than wait to be accepted (511): the kernel resets what is beyond.
    const some = Array.from({ length: 200 }, () => openRaw(portOf(to)))
    await Promise.all(some.map(({ socket }) => once(socket, 'connect')))
    for (const { send } of some) send(beginning)
    all.push(...some)
  }
  const dribble = () => {
    for (const { socket, send } of all) if (socket.writable) send('x')
  }
  return { all, dribble }
}

async function askOthers(to: Gateway): Promise<void> {
  const ask = async (i: number) => {
    const init = i % 2 ? { method: 'POST', body: 'x'.repeat(100_000) } : {}
    const response = await fetch(to.url, { headers: { 'Remote-User': 'bob' }, ...init })
    assert.deepEqual([response.status, await response.text()], [200, 'ok'])
  }
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i)))
}

describe(`slowloris with ${crowd} sockets: others go on being answered`, () => {
  test('dribbling headers, and those that never end are closed', { timeout: 600_000 }, async () => {
    const { all, dribble } = await openCrowd(gateway, 'GET / HTTP/1.1\r\nHost: es\r\nX-A: ')
    const timer = setInterval(dribble, 1000)
    await askOthers(gateway)
    const texts = await Promise.all(all.map(({ closed }) => closed))
    clearInterval(timer)
    for (const text of texts) assert.match(text, /^(?:HTTP\/1\.1 408 [\s\S]*"request_timeout"[\s\S]*)?$/)
    await askOthers(gateway)
  })

  for (const [path, status] of [
    ['/', 401],
    ['/elastauth/health', 405],
  ] as const)
    test(`dribbling bodies of nobody for ${path}, and they are cut off after their ${status}`, async () => {
      // Time enough for a crowd on one slow core to read its answers: what is unread when a connection is cut is lost.
      const impatient = await startProxy(upstream.url, { flags: { 'proxy.timeout': '6s' } })
      const beginning = `POST ${path} HTTP/1.1\r\nHost: es\r\nContent-Length: 1000000\r\n\r\n`
      const { all, dribble } = await openCrowd(impatient, beginning)
      const timer = setInterval(dribble, 100)
      await askOthers(impatient)
      const texts = await Promise.all(all.map(({ closed }) => closed))
      clearInterval(timer)
      for (const text of texts) assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
    })

  test('dribbling bodies of users', async () => {
    const { all, dribble } = await openCrowd(
      gateway,
      'POST / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 1000000\r\n\r\n',
    )
    for (let i = 0; i < 5; i++) {
      dribble()
      await askOthers(gateway)
    }
    for (const { socket } of all) socket.destroy()
    await askOthers(gateway)
  })
})

describe('a client that stalls', () => {
  test('in the middle of its answer is cut off after client_timeout, and its upstream with it', async () => {
    const impatient = await startProxy(upstream.url, { flags: { 'proxy.client_timeout': '500ms' } })
    const asked = once(upstream.server, 'request')
    const connection = openRaw(portOf(impatient))
    connection.socket.pause()
    connection.send('GET /endless HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
    const [request] = await asked
    await new Promise((resolve) => request.socket.once('close', resolve))
    const { message } = await impatient.logged((line) => line['url.path'] === '/endless')
    assert.match(message!, /499 the client read nothing of the response for 500 ms/)
    connection.socket.destroy()
  })

  test('for less than that is not', async () => {
    const impatient = await startProxy(upstream.url, { flags: { 'proxy.client_timeout': '4s' } })
    const connection = openRaw(portOf(impatient))
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

  test('before the rest of a body that nobody wants is cut off after proxy.timeout', async () => {
    const impatient = await startProxy(upstream.url, { flags: { 'proxy.timeout': '500ms' } })
    const connection = openRaw(portOf(impatient))
    connection.send('POST /early HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 1000000\r\n\r\nx')
    const timer = setInterval(() => connection.socket.writable && connection.send('x'), 50)
    assert.match(await connection.closed, /^HTTP\/1\.1 413 /)
    clearInterval(timer)
  })
})

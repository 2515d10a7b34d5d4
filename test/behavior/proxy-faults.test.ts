import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { beforeEach, describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

let answer: (socket: Socket, head: string) => void
const upstream = await startRawUpstream((socket, head) => answer(socket, head))
const gateway = await startProxy(upstream.url)
const impatient = await startProxy(upstream.url, { flags: { 'proxy.timeout': '1500ms' } })

beforeEach(() => {
  answer = (socket) => socket.write(ok)
})

/** Everything that comes back on a connection of its own, kept open by us. */
async function ask(path: string, to = gateway): Promise<string> {
  const connection = openRaw(portOf(to))
  connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n`)
  return connection.closed
}

const lineOf = (path: string, of = gateway) => of.logged((line) => line['url.path'] === path)

describe('an upstream that breaks off in the middle: the client’s connection ends too, and nothing is added', () => {
  const rows: [what: string, bytes: string, received: RegExp][] = [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', /\r\n\r\nhalf$/],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', /4\r\nhalf\r\n$/],
    ['chunks that are none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz', /4\r\nhalf\r\n$/],
  ]
  for (const [what, bytes, received] of rows) {
    test(what, async () => {
      answer = (socket) => socket.end(bytes)
      const path = `/half-${encodeURIComponent(what)}`
      assert.match(await ask(path), received)
      const line = await lineOf(path)
      assert.equal(line['http.response.status_code'], 200)
      assert.match(String(line['error.code']), /^upstream_/)
    })
  }
})

test('an answer that ends with its connection is cut where that is reset', async () => {
  answer = (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 50))
  assert.match(await ask('/reset'), /4\r\nhalf\r\n$/)
  assert.equal((await lineOf('/reset'))['error.code'], 'upstream_unavailable')
})

test('to a client of HTTP/1.0 an answer that is cut ends with a reset: in good order it would look whole', async () => {
  answer = (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
  const connection = openRaw(portOf(gateway))
  const failed = once(connection.socket, 'error')
  connection.send('GET /old HTTP/1.0\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  const [error] = await failed
  assert.equal(error.code, 'ECONNRESET')
})

describe('a reason that Node would not write gives the usual one', () => {
  for (const reason of ['N\xe3o', '\xe6\x88\x90\xe5\x8a\x9f', 'a\x01b']) {
    test(JSON.stringify(reason), async () => {
      answer = (socket) => socket.write(`HTTP/1.1 404 ${reason}\r\nContent-Length: 2\r\n\r\nok`, 'latin1')
      const connection = openRaw(portOf(gateway))
      connection.send('GET /reason HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
      assert.match(await connection.closed, /^HTTP\/1\.1 (?:404 Not Found|502 Bad Gateway)\r\n/)
    })
  }
})

describe('while a body is late, its request is on no connection', () => {
  for (const [what, stray] of [
    ['what an upstream owes nobody is not taken for the answer', (socket: Socket) => socket.write(`${ok}stray`)],
    ['an upstream that closes an idle connection loses nothing', (socket: Socket) => socket.end()],
  ] as const) {
    test(what, async () => {
      const sockets: Socket[] = []
      answer = (socket, head) => {
        sockets.push(socket)
        if (!head.startsWith('POST')) return void socket.write(ok)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine')
      }
      await (await fetch(gateway.url, { headers: bob })).text()
      const connection = openRaw(portOf(gateway))
      connection.send('POST /late HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 3\r\n\r\n')
      await (await fetch(`${gateway.url}/elastauth/health`)).text() // the head is read by now
      const idle = sockets.at(-1)!
      stray(idle)
      await once(idle, 'close')
      connection.send('abc')
      assert.match(await connection.until(/\r\n\r\n.{2,}/), /^HTTP\/1\.1 200 [\s\S]*mine$/)
      connection.socket.destroy()
    })
  }
})

test('what an upstream sends beyond its length reaches nobody', async () => {
  answer = (socket) => socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld`)
  const connection = openRaw(portOf(gateway))
  connection.send('GET /long HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
  await connection.until(/\r\n\r\nok$/)
  answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext')
  connection.send('GET /next HTTP/1.1\r\nHost: es\r\nRemote-User: alice\r\nConnection: close\r\n\r\n')
  const text = await connection.closed
  assert.match(text, /\r\n\r\nnext$/)
  assert.doesNotMatch(text, /world/)
})

describe('an answer that makes no sense is 502', () => {
  const rows: [what: string, bytes: string][] = [
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
    ['101 without asking', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
    ['100 without asking', `HTTP/1.1 100 Continue\r\n\r\n${ok}`],
    ['a length beside chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk'],
    ['a NUL in a header', 'HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok'],
    ['headers without an end', `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(70_000)}`],
  ]
  for (const [what, bytes] of rows) {
    test(what, async () => {
      answer = (socket) => socket.write(bytes)
      const response = await fetch(`${gateway.url}/x`, { headers: bob })
      assert.equal(response.status, 502)
      assert.match(String(((await response.json()) as { error: string }).error), /^upstream_(protocol|unavailable)$/)
    })
  }

  test('none at all', async () => {
    answer = (socket) => socket.destroy()
    const response = await fetch(`${gateway.url}/none`, { headers: bob })
    assert.equal(response.status, 502)
    assert.equal((await lineOf('/none'))['error.code'], 'upstream_unavailable')
  })
})

describe('silence', () => {
  test('before the head is 504', async () => {
    answer = () => {}
    const response = await fetch(`${impatient.url}/silent`, { headers: bob })
    assert.equal(response.status, 504)
    assert.equal((await lineOf('/silent', impatient))['error.code'], 'upstream_timeout')
  })

  test('in the middle of an answer ends the connection', async () => {
    answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    assert.match(await ask('/pause', impatient), /\r\n\r\nhalf$/)
    assert.equal((await lineOf('/pause', impatient))['error.code'], 'upstream_timeout')
  })

  test('of a client in the middle of its request is 408, and the upstream’s connection ends', async () => {
    const gone = Promise.withResolvers<void>()
    answer = (socket) => socket.once('close', () => gone.resolve())
    const connection = openRaw(portOf(impatient))
    connection.send('POST /slow HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 10\r\n\r\nhalf')
    await connection.until(/^HTTP\/1.1 408 /)
    await gone.promise
    connection.socket.destroy()
  })

  test('shorter than the limit may come as often as it likes', async () => {
    answer = async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n')
      for (const byte of 'steady') {
        await new Promise((resolve) => setTimeout(resolve, 400))
        socket.write(byte)
      }
    }
    assert.equal(await (await fetch(impatient.url, { headers: bob })).text(), 'steady')
  })
})

describe('a client that leaves takes its upstream connection along, and no other', () => {
  async function leave(path: string, act: (socket: Socket, gone: Promise<void>) => Promise<void>): Promise<void> {
    const began = Promise.withResolvers<Socket>()
    const gone = Promise.withResolvers<void>()
    answer = (socket) => {
      socket.once('close', () => gone.resolve())
      began.resolve(socket)
    }
    const asked = act(await start(path, began.promise), gone.promise)
    await asked
    await gone.promise
    assert.equal((await lineOf(path))['http.response.status_code'], 499)
    assert.equal((await lineOf(path))['error.code'], 'client_closed')
    answer = (socket) => socket.write(ok)
    for (let i = 0; i < 100; i++) assert.equal(await (await fetch(gateway.url, { headers: bob })).text(), 'ok')
  }
  let client: ReturnType<typeof request>
  async function start(path: string, began: Promise<Socket>): Promise<Socket> {
    client = request(gateway.url + path, { method: path === '/up' ? 'POST' : 'GET', headers: bob })
    client.on('error', () => {})
    if (path === '/up') client.write('half')
    else client.end()
    return began
  }

  test('while it waits for the head', () => leave('/wait', async () => void client.destroy()))

  test('in the middle of its request', () => leave('/up', async () => void client.destroy()))

  test('in the middle of the answer', () =>
    leave('/down', async (socket) => {
      const responded = once(client, 'response')
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
      const [message] = (await responded) as [IncomingMessage]
      message.on('error', () => {})
      await once(message, 'data')
      client.destroy()
    }))
})

test('an early answer reaches a client that still sends, and its connection can be used again', async () => {
  answer = (socket) => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
  const connection = openRaw(portOf(gateway))
  connection.send('POST /early HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: 8\r\n\r\nhalf')
  await connection.until(/^HTTP\/1.1 413 [\s\S]*no$/)
  answer = (socket) => socket.write(ok)
  connection.send('moreGET /again HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n')
  assert.match(await connection.closed, / 200 OK[\s\S]*ok$/)
})

test('a failure in the middle of an upload reaches the client as 502', async () => {
  answer = (socket) => socket.destroy()
  const upload = request(`${gateway.url}/broken`, { method: 'POST', headers: bob })
  upload.write('half')
  const [message] = (await once(upload, 'response')) as [IncomingMessage]
  assert.equal(message.statusCode, 502)
  upload.destroy()
  message.destroy()
})

test('statuses that ask for patience are passed on as they are', async () => {
  answer = (socket) => socket.write('HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n')
  const response = await fetch(gateway.url, { headers: bob })
  assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '7'])
})

test('a stale connection in the pool is not used again', async () => {
  answer = (socket) => {
    socket.write(ok)
    socket.end()
  }
  for (let i = 0; i < 20; i++) assert.equal((await fetch(gateway.url, { headers: bob })).status, 200)
})

test('what an unreachable upstream does not take is read, and the connection serves the next request', async () => {
  const nowhere = await startProxy('http://127.0.0.1:9')
  const connection = openRaw(portOf(nowhere))
  const body = 'x'.repeat(4 * 1024 * 1024)
  connection.send(`POST / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nContent-Length: ${body.length}\r\n\r\n`)
  await (await fetch(`${nowhere.url}/elastauth/health`)).text() // the head is read by now
  connection.send(body)
  await connection.until(/^HTTP\/1\.1 502 /)
  connection.send('GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n')
  await connection.until(/HTTP\/1\.1 200 OK/)
  connection.socket.destroy()
})

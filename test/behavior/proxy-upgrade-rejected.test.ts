import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { startProxy, startRawUpstream } from '../support/upstream.ts'
import { requestWebSocket } from '../support/web-socket.ts'

let answer: (socket: Socket) => void
const upstream = await startRawUpstream((socket) => answer(socket))
const gateway = await startProxy(upstream.url)

/** What comes back when the upstream says these bytes. */
function say(bytes: string, path = '/'): Promise<string> {
  answer = (socket) => socket.write(bytes, 'latin1')
  return requestWebSocket(gateway, path).closed
}

function lineOf(path: string, { logged }: Gateway = gateway) {
  return logged((line) => line['url.path'] === path)
}

describe('an upstream’s answer in place of a tunnel', () => {
  test('comes back as an ordinary one would: what is for one connection only does not, all else byte by byte', async () => {
    const forOneConnection = [
      'Connection: keep-alive, X-Hop',
      'Keep-Alive: timeout=5',
      'X-Hop: 1',
      'Proxy-Authenticate: Basic',
      'Upgrade: h2c',
    ]
    const kept = ['X-Odd: \xe9\xff', 'Set-Cookie: a=1', 'set-cookie: b=2', 'Content-Length: 2']
    const text = await say(['HTTP/1.1 403 Nicht f\xfcr dich', ...forOneConnection, ...kept, '', '\xe4!'].join('\r\n'))
    assert.equal(text, ['HTTP/1.1 403 Nicht f\xfcr dich', ...kept, 'Connection: close', '', '\xe4!'].join('\r\n'))
  })

  const headOf = (status: string, ...headers: string[]) => [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n')
  const closing = headOf('403 Forbidden', 'X-A: 1', 'Connection: close', 'Transfer-Encoding: chunked')

  test('in chunks is one in chunks, without trailers', async () => {
    const chunks = '5;x=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n'
    const text = await say(
      headOf('403 Forbidden', 'X-A: 1', 'Transfer-Encoding: chunked', 'Trailer: x-trailer') + chunks,
    )
    assert.equal(text, `${closing}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`)
  })

  test('whose end is the connection’s is one in chunks', async () => {
    answer = (socket) => socket.end('HTTP/1.0 403 Forbidden\r\nX-A: 1\r\n\r\nhello')
    assert.equal(await requestWebSocket(gateway, '/').closed, `${closing}5\r\nhello\r\n0\r\n\r\n`)
  })

  test('without a body is whole', async () => {
    assert.equal(
      await say(headOf('403 Forbidden', 'Content-Length: 0')),
      headOf('403 Forbidden', 'Content-Length: 0', 'Connection: close'),
    )
  })

  for (const status of ['204 No Content', '304 Not Modified']) {
    test(`of ${status} has no body, and no sign of one`, async () => {
      assert.equal(await say(headOf(status, 'X-A: 1')), headOf(status, 'X-A: 1', 'Connection: close'))
    })
  }

  test('of 101 that is no upgrade is 502', async () => {
    assert.match(await say(headOf('101 Switching Protocols')), /^HTTP\/1\.1 502 [\s\S]*"upstream_protocol"/)
  })

  test('after 103 is the one after that', async () => {
    assert.match(
      await say(`${headOf('103 Early Hints')}${headOf('403 No', 'Content-Length: 0')}`),
      /^HTTP\/1\.1 403 No/,
    )
  })

  test('of 20 MB comes whole', async () => {
    const body = 'x'.repeat(20_000_000)
    const text = await say(`${headOf('403 Forbidden', `Content-Length: ${body.length}`)}${body}`)
    assert.ok(text.endsWith(`\r\n\r\n${body}`))
  })
})

describe('an upstream’s answer that breaks off', () => {
  const halves: [what: string, headers: string, body: string, by: 'end' | 'resetAndDestroy'][] = [
    ['with a length, by its end', 'Content-Length: 10\r\n', 'hello', 'end'],
    ['with a length, by a reset', 'Content-Length: 10\r\n', 'hello', 'resetAndDestroy'],
    ['in chunks, by its end', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', 'end'],
    ['in chunks, by a reset', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', 'resetAndDestroy'],
    ['with the connection, by a reset', '', 'hello', 'resetAndDestroy'],
  ]
  for (const [i, [what, headers, body, by]] of halves.entries()) {
    test(`${what}, does not look whole, and the log says why`, async () => {
      let breakOff = () => {}
      answer = (socket) => {
        socket.write(`HTTP/1.1 403 Forbidden\r\n${headers}\r\n${body}`)
        breakOff = () => void socket[by]()
      }
      const connection = requestWebSocket(gateway, `/half/${i}`)
      await connection.until(/hello/)
      breakOff()
      assert.match(await connection.closed, /^HTTP\/1\.1 403 [\s\S]*hello(?:\r\n)?$/)
      const line = await lineOf(`/half/${i}`)
      assert.deepEqual([line['http.response.status_code'], line['error.code']], [403, 'upstream_unavailable'])
    })
  }

  test('in bytes that are no HTTP does not either', async () => {
    const text = await say(
      'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno\r\n',
      '/faulty',
    )
    assert.match(text, /^HTTP\/1\.1 403 (?:(?!\r\n0\r\n)[\s\S])*$/)
    assert.equal((await lineOf('/faulty'))['http.response.status_code'], 403)
  })

  test('in silence is cut off after proxy.timeout', async () => {
    const impatient = await startProxy(upstream.url, { flags: { 'proxy.timeout': '500ms' } })
    answer = (socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello')
    assert.match(await requestWebSocket(impatient, '/silent').closed, /hello$/)
    const line = await lineOf('/silent', impatient)
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [403, 'upstream_timeout'])
  })

  test('is under way no more', async () => {
    const asked: string[] = []
    const named = (name: string) =>
      startRawUpstream((socket, head) => {
        asked.push(name)
        if (head.includes('websocket')) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello')
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    const both = [{ upstreams: [(await named('one')).url, (await named('other')).url] }]
    const proxy = await startProxy(undefined, { env: { ELASTAUTH_PROXY_ROUTES: JSON.stringify(both) } })
    await requestWebSocket(proxy, '/').closed
    const [broken] = asked.splice(0)
    // Who is thought to be busy is passed over.
    for (let i = 0; i < 4; i++) await (await fetch(proxy.url, { headers: { 'Remote-User': 'bob' } })).text()
    assert.equal(asked.filter((name) => name === broken).length, 2)
  })
})

describe('a long answer in place of a tunnel', async () => {
  const longest = 150_000_000
  let taken = 0
  let closed = Promise.withResolvers<void>()
  const long = await startRawUpstream(async (socket) => {
    taken = 0
    closed = Promise.withResolvers()
    socket.once('close', () => closed.resolve())
    socket.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${longest}\r\n\r\n`)
    const piece = Buffer.alloc(50_000)
    for (let sent = 0; sent < longest && !socket.destroyed; sent += piece.length) {
      if (!socket.write(piece)) await Promise.race([once(socket, 'drain').catch(() => {}), closed.promise])
      taken = socket.bytesWritten - socket.writableLength
    }
  })

  test('waits for a client that does not read, who is cut off after client_timeout', async () => {
    const impatient = await startProxy(long.url, { flags: { 'proxy.client_timeout': '1s' } })
    const connection = requestWebSocket(impatient, '/unread')
    connection.socket.pause()
    const { message } = await lineOf('/unread', impatient)
    assert.match(message!, /499 the client read nothing of the response for 1000 ms/)
    await closed.promise
    assert.ok(taken < longest / 3, `${taken} bytes`)
    connection.socket.destroy()
  })

  test('ends with a client that leaves', async () => {
    const leaving = await startProxy(long.url)
    const connection = requestWebSocket(leaving, '/left')
    await once(connection.socket, 'data')
    connection.socket.resetAndDestroy()
    await closed.promise
    const line = await lineOf('/left', leaving)
    assert.deepEqual([line['http.response.status_code'], line['error.code']], [499, 'client_closed'])
  })

  test('is not taken for silent while its client does not read', async () => {
    const impatient = await startProxy(long.url, { flags: { 'proxy.timeout': '500ms' } })
    const connection = requestWebSocket(impatient, '/late')
    connection.socket.pause()
    await sleep(2500)
    connection.socket.resume()
    let length = 0
    connection.socket.removeAllListeners('data').on('data', (piece) => {
      length += piece.length
    })
    await connection.closed
    assert.ok(length > longest)
    assert.equal((await lineOf('/late', impatient))['error.code'], undefined)
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { frameTypes, openFrames, requestFields, requestFrame } from '../support/http2-frames.ts'
import { authority, caFile, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream, userOf } from '../support/upstream.ts'
import { curl } from './curl.ts'

let lastRequest: IncomingMessage
const upstream = await startUpstream((_, response) => response.end('ok'))
upstream.server.prependListener('request', (request) => {
  lastRequest = request
})
const gateway = await startProxy(upstream.url, { flags: tlsFlags() })
const session: ClientHttp2Session = connect(gateway.url, { ca: authority.cert })
await once(session, 'connect')
after(() => session.destroy())
type Headers = Record<string, string | string[]>

function open(headers: Headers = {}, body?: string): ClientHttp2Stream {
  const stream = session.request({ ':path': '/', 'remote-user': 'bob', ...headers }, { endStream: body === undefined })
  stream.on('error', () => {})
  if (body !== undefined) stream.end(body)
  return stream
}

async function send(headers: Headers = {}, body?: string) {
  const stream = open(headers, body)
  const [head] = await once(stream, 'response')
  let text = ''
  for await (const chunk of stream) text += chunk
  return { head, status: head[':status'] as number, body: text }
}

describe('what the upstream receives for an HTTP/2 request', () => {
  test(`forwards the path of an HTTP/2 request byte for byte, with Host, the user's credential and forwarded headers`, async () => {
    await send({ ':path': '/a%2Fb/..?q=%25+x', 'x-forwarded-proto': 'gopher', authorization: 'Basic eDp5' })
    assert.equal(lastRequest.url, '/a%2Fb/..?q=%25+x')
    assert.equal(lastRequest.headers.host, `127.0.0.1:${portOf(gateway)}`)
    assert.equal(userOf(lastRequest.headers.authorization), 'bob')
    assert.equal(lastRequest.rawHeaders.filter((name) => /^host$/i.test(name)).length, 1)
    assert.ok(lastRequest.rawHeaders.every((name) => !name.startsWith(':')))
    assert.equal(lastRequest.headers['x-forwarded-port'], String(portOf(gateway)))
  })

  test(`forwards https as the scheme and the client's address for HTTP/2 and HTTP/1.1`, async () => {
    for (const flag of ['--http2', '--http1.1']) {
      await curl('--cacert', caFile, flag, '-H', 'Remote-User: bob', gateway.url)
      assert.deepEqual(
        [lastRequest.headers['x-forwarded-proto'], lastRequest.headers['x-forwarded-for']],
        ['https', '127.0.0.1'],
      )
    }
  })

  test("joins the Cookie headers of an HTTP/2 request, without elastauth's cookies", async () => {
    await send({ cookie: ['a=1', 'elastauth=2', 'b=3'] })
    assert.equal(lastRequest.headers.cookie?.replace(/; +/g, '; '), 'a=1; b=3')
  })

  test('forwards UTF-8 header values of an HTTP/2 request byte for byte', async () => {
    const text = Buffer.from('Jürgen ✓').toString('latin1')
    await send({ 'x-name': text })
    assert.equal(lastRequest.headers['x-name'], text)
  })

  test('forwards an HTTP/2 body with its length, or chunked if the length is unknown, and adds no body to a request that has none', async () => {
    const received: unknown[] = []
    upstream.respondWith(async (request, response) => {
      let size = 0
      for await (const chunk of request) size += chunk.length
      received.push([request.headers['content-length'], request.headers['transfer-encoding'], size])
      response.end()
    })
    await send({ ':method': 'POST', 'content-length': '5' }, 'hello')
    await send({ ':method': 'POST' }, 'hello')
    await send({ ':method': 'GET' })
    assert.deepEqual(received, [
      ['5', undefined, 5],
      [undefined, 'chunked', 5],
      [undefined, undefined, 0],
    ])
  })

  test('drops trailers of an HTTP/2 request', async () => {
    upstream.respondWith((request, response) =>
      request.resume().on('end', () => response.end(JSON.stringify(request.trailers))),
    )
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' }, {
      waitForTrailers: true,
    } as object)
    stream.on('wantTrailers', () => stream.sendTrailers({ authorization: 'Basic eDp5' }))
    stream.end('x')
    let text = ''
    for await (const chunk of stream) text += chunk
    assert.equal(text, '{}')
  })
})

describe('what an HTTP/2 client receives', () => {
  test('forwards response headers to an HTTP/2 client in lower case with duplicates, and strips hop-by-hop headers', async () => {
    upstream.respondWith((_, response) => {
      const headers = [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Keep-Alive',
        'timeout=5',
        'Connection',
        'X-Own',
        'X-Own',
        '1',
      ]
      response.writeHead(200, [...headers, 'X-Elastic-Product', 'Elasticsearch', 'X-Latin', 'caf\xe9'])
      response.end('ok')
    })
    const { head } = await send()
    assert.deepEqual(head['set-cookie'], ['a=1', 'b=2'])
    assert.deepEqual([head['x-elastic-product'], head['x-latin']], ['Elasticsearch', 'caf\xe9'])
    for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'x-own']) assert.equal(head[name], undefined)
    assert.equal(typeof head.date, 'string')
  })

  test('sends an HTTP/2 client no body with a 204 or 304 response or a response to HEAD', async () => {
    upstream.respondWith(({ url }, response) =>
      response.writeHead(Number(url?.slice(1)), url === '/200' ? { 'content-length': '5' } : {}).end(),
    )
    const toHead = await send({ ':method': 'HEAD', ':path': '/200' })
    assert.deepEqual([toHead.status, toHead.head['content-length'], toHead.body], [200, '5', ''])
    for (const status of [204, 304]) assert.deepEqual((await send({ ':path': `/${status}` })).status, status)
  })

  test('streams a response to an HTTP/2 client chunk by chunk', async () => {
    let sendPart: (text: string) => void = () => {}
    upstream.respondWith((_, response) => {
      response.flushHeaders()
      sendPart = (text) => void response.write(text)
    })
    const stream = open()
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
    for (const part of ['a', 'b', 'c']) {
      sendPart(part)
      const [chunk] = await once(stream, 'data')
      assert.equal(String(chunk), part)
    }
    stream.close()
  })

  test('sends 100 Continue to an HTTP/2 client once the upstream is connected, and forwards 103', async () => {
    upstream.respondWith(async (request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      for await (const _ of request);
      response.end('taken')
    })
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob', expect: '100-continue' })
    const { promise: hinted, resolve } = Promise.withResolvers<void>()
    stream.on('headers', (headers) => headers[':status'] === 103 && resolve())
    const responded = once(stream, 'response') // may arrive together with 103
    await once(stream, 'continue')
    stream.end('body')
    await hinted
    const [head] = await responded
    assert.equal(head[':status'], 200)
    stream.resume()
  })
})

describe('back-pressure with HTTP/2', () => {
  const megabytes = 200
  const chunk = Buffer.alloc(1024 * 1024, 'x')

  test('stops reading from the upstream while an HTTP/2 client does not read', async () => {
    let written = 0
    const { promise: blocked, resolve } = Promise.withResolvers<void>()
    upstream.respondWith((_, response) => {
      const writeAll = () => {
        while (written < megabytes) {
          written++
          if (!response.write(chunk)) return void response.once('drain', writeAll)
        }
        response.end()
      }
      writeAll()
      let previous = -1
      const timer = setInterval(() => {
        if (written === previous) {
          clearInterval(timer)
          resolve()
        }
        previous = written
      }, 300)
    })
    const stream = open()
    await once(stream, 'response')
    await blocked
    assert.ok(written < 40, `${written} MB were accepted`)
    let size = 0
    for await (const part of stream) size += part.length
    assert.equal(size, megabytes * chunk.length)
  })

  test('stops reading from an HTTP/2 client while the upstream does not read', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<[IncomingMessage, ServerResponse]>()
    upstream.respondWith((request, response) => resolve([request.pause(), response]))
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    let accepted = 0
    let previous = -1
    const writeAll = async () => {
      for (; accepted < megabytes; accepted++) if (!stream.write(chunk)) await once(stream, 'drain')
      stream.end()
    }
    const writing = writeAll()
    const [request, response] = await arrived
    while (accepted !== previous) {
      previous = accepted
      await new Promise((done) => setTimeout(done, 300))
    }
    assert.ok(accepted < 40, `${accepted} MB were accepted`)
    let size = 0
    for await (const part of request) size += part.length
    await writing
    response.end()
    assert.equal(size, megabytes * chunk.length)
    stream.close()
  })
})

describe('an HTTP/2 client or upstream that closes early', () => {
  test('closes the upstream connection if the client resets its stream, and keeps the HTTP/2 session open', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    upstream.respondWith((request, response) => {
      request.socket.once('close', () => resolve())
      response.write('beginning')
    })
    const stream = open({ ':path': '/reset' })
    await once(stream, 'data')
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
    const line = await gateway.logged(({ message = '' }) => message.startsWith('GET /reset 499'))
    assert.equal(line['error.code'], 'client_closed')
    upstream.respondWith((_, response) => response.end('ok'))
    assert.equal((await send()).status, 200)
  })

  test('closes the upstream connection if the client resets its stream in the middle of an upload', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    upstream.respondWith((request) => void request.on('error', () => {}).once('close', () => resolve()))
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    stream.on('error', () => {})
    stream.write('half')
    await once(upstream.server, 'request')
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
  })

  test('resets the HTTP/2 stream instead of ending it if the upstream closes in the middle of a response', async () => {
    let closeUpstream = () => {}
    upstream.respondWith((request, response) => {
      response.write('half')
      closeUpstream = () => request.socket.destroy()
    })
    const stream = open()
    await once(stream, 'data')
    closeUpstream()
    const [error] = await once(stream, 'error')
    assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
    assert.equal(error.code, 'ERR_HTTP2_STREAM_ERROR')
  })

  test('forwards an early response during an HTTP/2 upload, and ends the stream', async () => {
    upstream.respondWith((_, response) => response.writeHead(413).end('too much'))
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    stream.on('error', () => {})
    stream.write('x'.repeat(100))
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 413)
    let text = ''
    for await (const chunk of stream) text += chunk
    assert.equal(text, 'too much')
    stream.close()
  })

  for (const [what, method, status] of [
    ['an empty response', 'POST', 200],
    ['a 204 response', 'PUT', 204],
    ['a response to HEAD', 'HEAD', 200],
  ] as const) {
    test(`forwards ${what} that arrives early, during an HTTP/2 upload`, async () => {
      upstream.respondWith((_, response) => response.writeHead(status, { 'x-response': 'complete' }).end())
      for (let i = 0; i < 20; i++) {
        const stream = session.request({ ':method': method, ':path': '/', 'remote-user': 'bob' }, { endStream: false })
        stream.on('error', () => {})
        stream.write('the rest is never sent')
        const [head] = await once(stream, 'response')
        assert.deepEqual([head[':status'], head['x-response']], [status, 'complete'])
        stream.resume()
        await once(stream, 'close')
        assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR)
      }
    })
  }

  test('forwards an early response completely, however late the HTTP/2 client reads it', async () => {
    const size = 1024 * 1024
    upstream.respondWith((_, response) => response.end('x'.repeat(size)))
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    stream.on('error', () => {})
    stream.write('the rest is never sent')
    await once(stream, 'response')
    await sleep(500) // until the flow-control window is full
    let length = 0
    for await (const chunk of stream) length += chunk.length
    assert.equal(length, size)
  })
})

test('after SIGTERM, sends GOAWAY, completes an open stream, ignores a new stream, and exits with 0 (graceful shutdown)', async () => {
  const draining = await startProxy(upstream.url, { flags: { ...tlsFlags(), shutdown_timeout: '1m' } })
  const client = await openFrames(portOf(draining))
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>()
  const received: (string | undefined)[] = []
  upstream.respondWith(({ url }, response) => {
    received.push(url)
    resolve(response)
  })
  client.send(requestFrame(1, requestFields({ ':path': '/first' }, ['remote-user', 'bob'])))
  const response = await arrived
  const stopped = draining.stop()
  await client.until(({ type }) => type === frameTypes.goaway)
  client.send(requestFrame(3, requestFields({ ':path': '/second' }, ['remote-user', 'bob'])))
  response.end('late, but whole')
  await client.until(
    ({ type, stream, payload }) => type === frameTypes.data && stream === 1 && payload.includes('whole'),
  )
  assert.equal(await stopped, 0)
  await client.closed
  assert.deepEqual(received, ['/first'])
})

test('after SIGTERM, closes an HTTP/2 stream that has not ended within shutdown_timeout', async () => {
  const draining = await startProxy(upstream.url, { flags: { ...tlsFlags(), shutdown_timeout: '100ms' } })
  const client = connect(draining.url, { ca: authority.cert })
  client.on('error', () => {})
  upstream.respondWith((_, response) => void response.write('beginning'))
  const stream = client.request({ ':path': '/', 'remote-user': 'bob' })
  stream.on('error', () => {})
  await once(stream, 'data')
  assert.equal(await draining.stop(), 0)
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { after, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { frameTypes, openFrames, requestFields, requestFrame } from '../support/http2-frames.ts'
import { authority, caFile, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream, userOf } from '../support/upstream.ts'
import { curl } from './curl.ts'

let answer: (request: IncomingMessage, response: ServerResponse) => void
let last: IncomingMessage
const upstream = await startUpstream((request, response) => {
  last = request
  answer(request, response)
})
const gateway = await startProxy(upstream.url, { flags: tlsFlags() })
const session: ClientHttp2Session = connect(gateway.url, { ca: authority.cert })
await once(session, 'connect')
after(() => session.destroy())

beforeEach(() => {
  answer = (_, response) => response.end('ok')
})

type Headers = Record<string, string | string[]>

function open(headers: Headers = {}, body?: string): ClientHttp2Stream {
  const stream = session.request({ ':path': '/', 'remote-user': 'bob', ...headers }, { endStream: body === undefined })
  stream.on('error', () => {})
  if (body !== undefined) stream.end(body)
  return stream
}

async function ask(headers: Headers = {}, body?: string) {
  const stream = open(headers, body)
  const [head] = await once(stream, 'response')
  let text = ''
  for await (const chunk of stream) text += chunk
  return { head, status: head[':status'] as number, body: text }
}

describe('what goes upstream is what HTTP/1.1 would have sent', () => {
  test('the path byte by byte, the host, the user’s credential, and where it came from', async () => {
    await ask({ ':path': '/a%2Fb/..?q=%25+x', 'x-forwarded-proto': 'gopher', authorization: 'Basic eDp5' })
    assert.equal(last.url, '/a%2Fb/..?q=%25+x')
    assert.equal(last.headers.host, `127.0.0.1:${portOf(gateway)}`)
    assert.equal(userOf(last.headers.authorization), 'bob')
    assert.equal(last.rawHeaders.filter((name) => /^host$/i.test(name)).length, 1)
    assert.ok(last.rawHeaders.every((name) => !name.startsWith(':')))
    assert.equal(last.headers['x-forwarded-port'], String(portOf(gateway)))
  })

  test('https, from whom nobody says otherwise', async () => {
    for (const flag of ['--http2', '--http1.1']) {
      await curl('--cacert', caFile, flag, '-H', 'Remote-User: bob', gateway.url)
      assert.deepEqual([last.headers['x-forwarded-proto'], last.headers['x-forwarded-for']], ['https', '127.0.0.1'])
    }
  })

  test('cookies that came in pieces are one again, without ours', async () => {
    await ask({ cookie: ['a=1', 'elastauth=2', 'b=3'] })
    assert.equal(last.headers.cookie?.replace(/; +/g, '; '), 'a=1; b=3')
  })

  test('names in UTF-8 are the same bytes', async () => {
    const text = Buffer.from('Jürgen ✓').toString('latin1')
    await ask({ 'x-name': text })
    assert.equal(last.headers['x-name'], text)
  })

  test('a body with a length keeps it, one without is chunked, none is none', async () => {
    const seen: unknown[] = []
    answer = async (request, response) => {
      let size = 0
      for await (const chunk of request) size += chunk.length
      seen.push([request.headers['content-length'], request.headers['transfer-encoding'], size])
      response.end()
    }
    await ask({ ':method': 'POST', 'content-length': '5' }, 'hello')
    await ask({ ':method': 'POST' }, 'hello')
    await ask({ ':method': 'GET' })
    assert.deepEqual(seen, [
      ['5', undefined, 5],
      [undefined, 'chunked', 5],
      [undefined, undefined, 0],
    ])
  })

  test('trailers are not passed on', async () => {
    answer = (request, response) => request.resume().on('end', () => response.end(JSON.stringify(request.trailers)))
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

describe('what comes back', () => {
  test('has its headers in lower case, doubled ones doubled, and none that is for one connection', async () => {
    answer = (_, response) => {
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
    }
    const { head } = await ask()
    assert.deepEqual(head['set-cookie'], ['a=1', 'b=2'])
    assert.deepEqual([head['x-elastic-product'], head['x-latin']], ['Elasticsearch', 'caf\xe9'])
    for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'x-own']) assert.equal(head[name], undefined)
    assert.equal(typeof head.date, 'string')
  })

  test('to HEAD, and with 204 and 304, has no body', async () => {
    answer = ({ url }, response) =>
      response.writeHead(Number(url?.slice(1)), url === '/200' ? { 'content-length': '5' } : {}).end()
    const toHead = await ask({ ':method': 'HEAD', ':path': '/200' })
    assert.deepEqual([toHead.status, toHead.head['content-length'], toHead.body], [200, '5', ''])
    for (const status of [204, 304]) assert.deepEqual((await ask({ ':path': `/${status}` })).status, status)
  })

  test('comes as it is sent, a piece at a time', async () => {
    let send: (text: string) => void = () => {}
    answer = (_, response) => {
      response.flushHeaders()
      send = (text) => void response.write(text)
    }
    const stream = open()
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
    for (const piece of ['a', 'b', 'c']) {
      send(piece)
      const [chunk] = await once(stream, 'data')
      assert.equal(String(chunk), piece)
    }
    stream.close()
  })

  test('100 Continue, when somebody is there to take the body; and 103', async () => {
    answer = async (request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      for await (const _ of request);
      response.end('taken')
    }
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob', expect: '100-continue' })
    const { promise: hinted, resolve } = Promise.withResolvers<void>()
    stream.on('headers', (headers) => headers[':status'] === 103 && resolve())
    await once(stream, 'continue')
    stream.end('body')
    await hinted
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 200)
    stream.resume()
  })
})

describe('neither side is read faster than the other reads', () => {
  const megabytes = 200
  const chunk = Buffer.alloc(1024 * 1024, 'x')

  test('a download that nobody reads stands still', async () => {
    let written = 0
    const { promise: blocked, resolve } = Promise.withResolvers<void>()
    answer = (_, response) => {
      const pump = () => {
        while (written < megabytes) {
          written++
          if (!response.write(chunk)) return void response.once('drain', pump)
        }
        response.end()
      }
      pump()
      let before = -1
      const look = setInterval(() => {
        if (written === before) {
          clearInterval(look)
          resolve()
        }
        before = written
      }, 300)
    }
    const stream = open()
    await once(stream, 'response')
    await blocked
    assert.ok(written < 40, `${written} MB were taken`)
    let size = 0
    for await (const piece of stream) size += piece.length
    assert.equal(size, megabytes * chunk.length)
  })

  test('an upload that nobody reads stands still', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<[IncomingMessage, ServerResponse]>()
    answer = (request, response) => resolve([request.pause(), response])
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    let taken = 0
    let before = -1
    const pump = async () => {
      for (; taken < megabytes; taken++) if (!stream.write(chunk)) await once(stream, 'drain')
      stream.end()
    }
    const pumping = pump()
    const [request, response] = await arrived
    while (taken !== before) {
      before = taken
      await new Promise((done) => setTimeout(done, 300))
    }
    assert.ok(taken < 40, `${taken} MB were taken`)
    let size = 0
    for await (const piece of request) size += piece.length
    await pumping
    response.end()
    assert.equal(size, megabytes * chunk.length)
    stream.close()
  })
})

describe('when one side goes, so does the other', () => {
  test('the client resets its stream: the upstream’s connection closes, and the session lives', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    answer = (request, response) => {
      request.socket.once('close', () => resolve())
      response.write('beginning')
    }
    const stream = open({ ':path': '/left' })
    await once(stream, 'data')
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
    const line = await gateway.logged(({ message = '' }) => message.startsWith('GET /left 499'))
    assert.equal(line['error.code'], 'client_closed')
    answer = (_, response) => response.end('ok')
    assert.equal((await ask()).status, 200)
  })

  test('the client leaves in the middle of its upload', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    answer = (request) => void request.on('error', () => {}).once('close', () => resolve())
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    stream.on('error', () => {})
    stream.write('half')
    const asked = once(upstream.server, 'request')
    await asked
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
  })

  test('the upstream breaks off: the stream is reset, not ended in good order', async () => {
    let breakOff = () => {}
    answer = (request, response) => {
      response.write('half')
      breakOff = () => request.socket.destroy()
    }
    const stream = open()
    await once(stream, 'data')
    breakOff()
    const [error] = await once(stream, 'error')
    assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
    assert.equal(error.code, 'ERR_HTTP2_STREAM_ERROR')
  })

  test('an upstream that answers before the upload is over: the answer arrives, and the stream is over', async () => {
    answer = (_, response) => response.writeHead(413).end('too much')
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
    ['an empty one', 'POST', 200],
    ['204', 'PUT', 204],
    ['one to HEAD', 'HEAD', 200],
  ] as const) {
    test(`and it arrives where it has no body: ${what}`, async () => {
      answer = (_, response) => response.writeHead(status, { 'x-answer': 'whole' }).end()
      for (let i = 0; i < 20; i++) {
        const stream = session.request({ ':method': method, ':path': '/', 'remote-user': 'bob' }, { endStream: false })
        stream.on('error', () => {})
        stream.write('the rest never comes')
        const [head] = await once(stream, 'response')
        assert.deepEqual([head[':status'], head['x-answer']], [status, 'whole'])
        stream.resume()
        await once(stream, 'close')
        assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR)
      }
    })
  }

  test('and it arrives whole, however late the client makes room for it', async () => {
    const size = 1024 * 1024
    answer = (_, response) => response.end('x'.repeat(size))
    const stream = session.request({ ':method': 'POST', ':path': '/', 'remote-user': 'bob' })
    stream.on('error', () => {})
    stream.write('the rest never comes')
    await once(stream, 'response')
    await sleep(500) // all that fits into the window is here
    let length = 0
    for await (const chunk of stream) length += chunk.length
    assert.equal(length, size)
  })
})

test('SIGTERM: GOAWAY, a stream under way is finished, a new one is not taken, and the exit code is 0', async () => {
  const draining = await startProxy(upstream.url, { flags: tlsFlags() })
  const client = await openFrames(portOf(draining))
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>()
  const asked: (string | undefined)[] = []
  answer = ({ url }, response) => {
    asked.push(url)
    resolve(response)
  }
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
  assert.deepEqual(asked, ['/first'])
})

test('SIGTERM: a stream that never ends is cut after shutdown_timeout', async () => {
  const draining = await startProxy(upstream.url, { flags: { ...tlsFlags(), shutdown_timeout: '100ms' } })
  const client = connect(draining.url, { ca: authority.cert })
  client.on('error', () => {})
  answer = (_, response) => void response.write('beginning')
  const stream = client.request({ ':path': '/', 'remote-user': 'bob' })
  stream.on('error', () => {})
  await once(stream, 'data')
  assert.equal(await draining.stop(), 0)
})

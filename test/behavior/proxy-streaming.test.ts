import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream, userOf } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const upstream = await startUpstream((_request, response) => response.end('ok'))
const gateway = await startProxy(upstream.url)
const nowhere = await startProxy('http://127.0.0.1:9')

/** Sends these lines on a new connection. @returns everything that was received */
function sendRaw(...lines: string[]): Promise<string> {
  const connection = openRaw(portOf(gateway))
  connection.send(lines.join('\r\n'))
  return connection.closed
}

const head = ['Host: es', 'Remote-User: bob', 'Connection: close']

async function read(message: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of message.setEncoding('latin1')) text += chunk
  return text
}

describe('what the upstream receives', () => {
  const targets = [
    '/',
    '//',
    '/a%2Fb',
    '/a%252fb',
    '/a..b/../c/./d',
    '/%3Clogs-%7Bnow%2Fd%7D%3E/_search',
    '/x?q=a+b&q=%20&&=;',
    '/x?',
    '/x??a',
    '/x;y=1',
    '/!$&\'()*,:@~|{}^`"<>',
    `/${'long/'.repeat(1600)}`,
  ]
  for (const target of targets) {
    test(`forwards the target ${target.slice(0, 40)} byte for byte`, async () => {
      let url: string | undefined
      upstream.respondWith((request, response) => {
        url = request.url
        response.end()
      })
      assert.match(await sendRaw(`GET ${target} HTTP/1.1`, ...head, '', ''), /^HTTP\/1.1 200 /)
      assert.equal(url, target)
    })
  }

  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'QUERY']) {
    test(`forwards the method ${method}`, async () => {
      upstream.respondWith((request, response) => response.end(`${request.method}!`))
      const text = await sendRaw(`${method} / HTTP/1.1`, ...head, 'Content-Length: 0', '', '')
      assert.match(text, new RegExp(`${method}!`))
    })
  }

  const bodies: [what: string, lines: string[], length: string | undefined, coding: string | undefined][] = [
    ['POST with a length', ['POST / HTTP/1.1', ...head, 'Content-Length: 5', '', 'hello'], '5', undefined],
    ['GET with a length', ['GET / HTTP/1.1', ...head, 'Content-Length: 5', '', 'hello'], '5', undefined],
    ['DELETE with a length', ['DELETE / HTTP/1.1', ...head, 'Content-Length: 5', '', 'hello'], '5', undefined],
    [
      'chunked GET',
      ['GET / HTTP/1.1', ...head, 'Transfer-Encoding: chunked', '', '2;ext=1', 'he', '3', 'llo', '0', '', ''],
      undefined,
      'chunked',
    ],
    [
      'chunked POST, without its trailers',
      [
        'POST / HTTP/1.1',
        ...head,
        'Transfer-Encoding: chunked',
        'Trailer: X-Sum',
        '',
        '5',
        'hello',
        '0',
        'X-Sum: 1',
        '',
        '',
      ],
      undefined,
      'chunked',
    ],
  ]
  for (const [what, lines, length, coding] of bodies) {
    test(`forwards the body of a ${what}`, async () => {
      let received: unknown
      upstream.respondWith(async (request, response) => {
        const { headers } = request
        const body = await read(request)
        received = [
          body,
          headers['content-length'],
          headers['transfer-encoding'],
          { ...request.trailers },
          headers.trailer,
        ]
        response.end()
      })
      assert.match(await sendRaw(...lines), /^HTTP\/1.1 200 /)
      assert.deepEqual(received, ['hello', length, coding, {}, undefined])
    })
  }

  test(`forwards the credential of the user instead of the client's credentials`, async () => {
    let credentials: string[] = []
    upstream.respondWith((request, response) => {
      credentials = request.rawHeaders.filter((_, i) => request.rawHeaders[i - 1]?.toLowerCase() === 'authorization')
      response.end()
    })
    await sendRaw(
      'GET / HTTP/1.1',
      ...head,
      'Authorization: Basic ZWxhc3RpYzp4',
      'es-security-runas-user: elastic',
      '',
      '',
    )
    assert.deepEqual(credentials.map(userOf), ['bob'])
  })
})

describe('Expect: 100-continue', () => {
  const lines = ['POST / HTTP/1.1', 'Host: es', 'Expect: 100-continue', 'Content-Length: 5']

  test('sends 100 Continue once the upstream is connected, and keeps the connection open', async () => {
    upstream.respondWith(async (request, response) => response.end(await read(request)))
    const connection = openRaw(portOf(gateway))
    connection.send([...lines, 'Remote-User: bob', '', ''].join('\r\n'))
    await connection.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
    connection.send('hello')
    const text = await connection.until(/hello$/)
    assert.match(text, /200 OK[\s\S]*Connection: keep-alive/)
    connection.send(['GET /2 HTTP/1.1', ...head, '', ''].join('\r\n'))
    assert.equal((await connection.closed).match(/200 OK/g)?.length, 2)
  })

  test('an anonymous request with Expect: 100-continue gets 401 and no 100 Continue, and its connection closes because a body may follow', async () => {
    assert.match(await sendRaw(...lines, '', ''), /^HTTP\/1.1 401 [\s\S]*Connection: close/)
  })

  test('sends no 100 Continue to an HTTP/1.0 client', async () => {
    upstream.respondWith(async (request, response) => response.end(await read(request)))
    const [, ...headers] = lines
    const text = await sendRaw('POST / HTTP/1.0', ...headers, 'Remote-User: bob', '', 'hello')
    assert.match(text, /^HTTP\/1\.1 200 OK[\s\S]*hello$/)
  })

  test('sends no 100 Continue if the upstream is unreachable', async () => {
    const connection = openRaw(portOf(nowhere))
    connection.send([...lines, 'Remote-User: bob', '', ''].join('\r\n'))
    assert.match(await connection.closed, /^HTTP\/1.1 502 [\s\S]*"upstream_unavailable"/)
  })
})

describe('what the client receives', () => {
  test('forwards duplicate headers of a response, with their case and order', async () => {
    upstream.respondWith((_request, response) =>
      response
        .writeHead(200, ['Set-Cookie', 'a=1', 'X-elastic-product', 'Elasticsearch', 'Set-Cookie', 'b=2'])
        .end('x'),
    )
    const text = await sendRaw('GET / HTTP/1.1', ...head, '', '')
    assert.match(text, /Set-Cookie: a=1\r\nX-elastic-product: Elasticsearch\r\nSet-Cookie: b=2\r\n/)
  })

  test('forwards a compressed response byte for byte, with its length', async () => {
    const bytes = gzipSync('x'.repeat(10_000))
    upstream.respondWith((_request, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': bytes.length }).end(bytes),
    )
    const text = await sendRaw('GET / HTTP/1.1', ...head, 'Accept-Encoding: gzip', '', '')
    assert.match(text, new RegExp(`Content-Encoding: gzip\r\nContent-Length: ${bytes.length}\r\n`))
    assert.ok(text.endsWith(bytes.toString('latin1')))
  })

  const bodiless: [status: number, method: string, headers: Record<string, string>][] = [
    [200, 'HEAD', { 'Content-Length': '1234' }],
    [204, 'DELETE', {}],
    [304, 'GET', { ETag: '"x"' }],
  ]
  for (const [status, method, headers] of bodiless) {
    test(`forwards a ${status} response to ${method} without a body`, async () => {
      upstream.respondWith((_request, response) => response.writeHead(status, headers).end())
      const text = await sendRaw(`${method} / HTTP/1.1`, ...head, '', '')
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\n\r\n$`))
      for (const [name, value] of Object.entries(headers)) assert.ok(text.includes(`${name}: ${value}\r\n`))
      assert.doesNotMatch(text, /transfer-encoding/i)
    })
  }

  test('forwards an unknown status and its reason phrase', async () => {
    upstream.respondWith((_request, response) => response.writeHead(799, 'Out of Tea').end())
    assert.match(await sendRaw('GET / HTTP/1.1', ...head, '', ''), /^HTTP\/1.1 799 Out of Tea\r\n/)
  })

  test('forwards the informational responses 103 and 102 before the final response', async () => {
    upstream.respondWith((_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.writeProcessing()
      response.end('done')
    })
    const text = await sendRaw('GET / HTTP/1.1', ...head, '', '')
    assert.match(
      text,
      /^HTTP\/1.1 103 Early Hints\r\nlink: <\/a.css>; rel=preload\r\n\r\nHTTP\/1.1 102 [\s\S]*HTTP\/1.1 200 OK/i,
    )
  })

  test('forwards no informational responses to an HTTP/1.0 client', async () => {
    upstream.respondWith((_request, response) => {
      response.writeProcessing()
      response.end('done')
    })
    assert.match(await sendRaw('GET / HTTP/1.0', 'Host: es', 'Remote-User: bob', '', ''), /^HTTP\/1.1 200 OK/)
  })

  test('drops trailers of a response, and the Trailer header', async () => {
    upstream.respondWith((_request, response) => {
      response.writeHead(200, { Trailer: 'X-Sum' })
      response.write('x')
      response.addTrailers({ 'X-Sum': '1' })
      response.end()
    })
    assert.doesNotMatch(await sendRaw('GET / HTTP/1.1', ...head, '', ''), /sum|trailer/i)
  })

  test('forwards the head of a response before its body, and each byte before the upstream writes the next byte', async () => {
    let upstreamResponse!: ServerResponse
    upstream.respondWith((_request, response) => {
      upstreamResponse = response
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
    })
    const outgoing = get(gateway.url, { headers: bob })
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    for (const byte of 'data: 1\n\n') {
      upstreamResponse.write(byte)
      const [chunk] = await once(message, 'data')
      assert.equal(String(chunk), byte)
    }
    upstreamResponse.end()
    message.resume()
    await once(message, 'end')
  })
})

describe('back-pressure between client and upstream', () => {
  const chunk = Buffer.alloc(64 * 1024)
  const total = 4096 // chunks: 256 MB, far more than the buffers of three sockets

  test('stops reading from the upstream while the client does not read', async () => {
    let sent = 0
    const blocked = Promise.withResolvers<void>()
    upstream.respondWith((_request, response) => {
      response.writeHead(200)
      const writeMore = () => {
        while (sent < total) {
          sent++
          if (!response.write(chunk)) {
            // No drain event for this long means that the buffers in between are full.
            const timer = setTimeout(() => blocked.resolve(), 500)
            response.once('drain', () => {
              clearTimeout(timer)
              writeMore()
            })
            return
          }
        }
        blocked.reject(new Error('everything was accepted, although the other side does not read'))
      }
      writeMore()
    })
    const connection = openRaw(portOf(gateway))
    connection.socket.pause()
    connection.send(['GET / HTTP/1.1', ...head, '', ''].join('\r\n'))
    await blocked.promise
    assert.ok(sent < total / 4, `${sent} chunks went into buffers`)
    connection.socket.destroy()
  })

  test('stops reading from the client while the upstream does not read', async () => {
    upstream.respondWith(() => {})
    const upload = request(gateway.url, { method: 'POST', headers: bob })
    upload.on('error', () => {})
    let sent = 0
    await new Promise<void>((resolve, reject) => {
      const writeMore = () => {
        while (sent < total) {
          sent++
          if (upload.write(chunk)) continue
          const timer = setTimeout(resolve, 500)
          upload.once('drain', () => {
            clearTimeout(timer)
            writeMore()
          })
          return
        }
        reject(new Error('everything was accepted, although the other side does not read'))
      }
      writeMore()
    })
    assert.ok(sent < total / 4, `${sent} chunks went into buffers`)
    upload.destroy()
  })
})

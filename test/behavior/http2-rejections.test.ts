import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { describe, test } from 'node:test'
import {
  type FrameConnection,
  frame,
  headerBlock,
  openFrames,
  requestFields,
  requestFrame,
  responseOutcome,
} from '../support/http2-frames.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const forwardedUrls: (string | undefined)[] = []
let forwardedHeaders: object = {}
const upstream = await startUpstream(({ url, headers }, response) => {
  forwardedUrls.push(url)
  forwardedHeaders = headers
  response.end('upstream')
})
const { start } = await createFixture()
const modes = {
  'auth-only mode': await start({ flags: { ...tlsFlags(), enable_metrics: 'true' } }),
  'proxy mode': await startProxy(upstream.url, { flags: tlsFlags() }),
}
const bob = ['remote-user', 'bob'] as const

const malformed: [title: string, fields: (readonly [string, string])[]][] = [
  ['Connection', requestFields({}, bob, ['connection', 'close'])],
  ['Connection that names an identity header', requestFields({}, bob, ['connection', 'remote-user'])],
  ['Transfer-Encoding', requestFields({}, bob, ['transfer-encoding', 'chunked'])],
  ['Keep-Alive', requestFields({}, bob, ['keep-alive', 'timeout=5'])],
  ['Proxy-Connection', requestFields({}, bob, ['proxy-connection', 'close'])],
  ['Upgrade', requestFields({}, bob, ['upgrade', 'websocket'])],
  ['TE other than trailers', requestFields({}, bob, ['te', 'gzip'])],
  ['a header name in upper case', requestFields({}, ['Remote-User', 'bob'])],
  ['an unknown pseudo-header', requestFields({}, bob, [':other', 'x'])],
  ['a pseudo-header after a regular header', [['remote-user', 'bob'], ...requestFields()]],
  ['two :path headers', requestFields({}, [':path', '/other'], bob)],
  ['no :path', requestFields({ ':path': undefined }, bob)],
  ['an empty :path', requestFields({ ':path': '' }, bob)],
  ['no :method', requestFields({ ':method': undefined }, bob)],
  ['no :scheme', requestFields({ ':scheme': undefined }, bob)],
  ['a space in :path', requestFields({ ':path': '/a b' }, bob)],
  ['CR LF in :path', requestFields({ ':path': '/a\r\nHost: evil' }, bob)],
  ['DEL in :path', requestFields({ ':path': '/a\x7f' }, bob)],
  ['a tab in :path', requestFields({ ':path': '/a\tb' }, bob)],
  ['an absolute :path', requestFields({ ':path': 'http://es/' }, bob)],
  ['* without OPTIONS', requestFields({ ':path': '*' }, bob)],
  ['a :path without a slash', requestFields({ ':path': 'x' }, bob)],
  ['a scheme that is not HTTP', requestFields({ ':scheme': 'ftp' }, bob)],
  ['a Host other than :authority', requestFields({}, ['host', 'evil'], bob)],
  ['two Host headers', requestFields({ ':authority': undefined }, ['host', 'es'], ['host', 'evil'], bob)],
  ['neither :authority nor Host', requestFields({ ':authority': undefined }, bob)],
  ['an :authority with user information', requestFields({ ':authority': 'u@es' }, bob)],
  ['an :authority with a path', requestFields({ ':authority': 'es/x' }, bob)],
  ['CONNECT', [[':method', 'CONNECT'], [':authority', 'es:443'], bob]],
  ['extended CONNECT', requestFields({ ':method': 'CONNECT' }, [':protocol', 'websocket'], bob)],
  ['an unknown method', requestFields({ ':method': 'BREW' }, bob)],
  ['a Content-Length that is not a number', requestFields({}, bob, ['content-length', '+5'])],
  ['two Content-Length headers', requestFields({}, bob, ['content-length', '0'], ['content-length', '5'])],
  ['a Content-Length without a body', requestFields({}, bob, ['content-length', '5'])],
]

for (const [mode, gateway] of Object.entries(modes)) {
  describe(`${mode} over HTTP/2`, () => {
    for (const [title, fields] of malformed) {
      test(`${mode} over HTTP/2 rejects a request that has ${title}, with 400 or a stream reset, and forwards nothing`, async () => {
        const connection = await openFrames(portOf(gateway))
        forwardedUrls.length = 0
        connection.send(requestFrame(1, fields))
        assert.match(await outcomeOrClosed(connection), /^(400|reset 1|closed)$/)
        assert.deepEqual(forwardedUrls, [])
        connection.destroy()
      })
    }

    test(`${mode} over HTTP/2 accepts valid requests`, async () => {
      const connection = await openFrames(portOf(gateway))
      const valid = [
        requestFields({}, bob),
        requestFields({}, ['host', 'ES'], bob, ['te', 'trailers']),
        requestFields({ ':authority': undefined }, ['host', 'es'], bob),
        requestFields({ ':scheme': 'http', ':path': `${mode === 'proxy mode' ? '/a%20b' : '/'}?c=d&%0d` }, bob),
      ]
      for (const [index, fields] of valid.entries()) {
        connection.send(requestFrame(2 * index + 1, fields))
        assert.equal(await responseOutcome(connection, 2 * index + 1), '200', JSON.stringify(fields))
      }
      connection.destroy()
    })

    test(`${mode} over HTTP/2 ignores headers with an invalid name or value`, async () => {
      const connection = await openFrames(portOf(gateway))
      const invalid: [string, string][] = [
        ['x y', '1'],
        ['x', 'a\r\nremote-user: admin'],
        ['x', 'a\0'],
      ]
      for (const [index, field] of invalid.entries()) {
        connection.send(requestFrame(2 * index + 1, requestFields({}, bob, field)))
        assert.equal(await responseOutcome(connection, 2 * index + 1), '200')
        assert.ok(
          mode === 'auth-only mode' ||
            Object.keys(forwardedHeaders).every((name) => !name.startsWith('x') || name.startsWith('x-')),
        )
      }
      connection.send(requestFrame(7, requestFields({}, ['remote-user', 'bob\r\nx'])))
      assert.equal(await responseOutcome(connection, 7), '401')
      connection.destroy()
    })

    test(`${mode} over HTTP/2 rejects a second Remote-User header, or an alias such as Remote_User, with 400 as over HTTP/1.1`, async () => {
      const connection = await openFrames(portOf(gateway))
      connection.send(
        requestFrame(1, requestFields({}, bob, ['remote-user', 'admin'])),
        requestFrame(3, requestFields({}, bob, ['remote_user', 'admin'])),
      )
      for (const stream of [1, 3]) assert.equal(await responseOutcome(connection, stream), '400')
      connection.destroy()
    })

    test(`${mode} over HTTP/2 rejects more than 500 headers or 64 KiB of headers with 431, twice as many with a stream reset, and keeps the connection open`, async () => {
      const connection = await openFrames(portOf(gateway))
      const createHeaders = (count: number) => Array.from({ length: count }, (_, i) => [`x${i}`, 'y'] as const)
      const send = (stream: number, fields: (readonly [string, string])[]) =>
        connection.send(...toFrames(stream, headerBlock(requestFields({}, bob, ...fields))))
      send(1, createHeaders(501))
      assert.equal(await responseOutcome(connection, 1), '431')
      send(3, createHeaders(1100))
      assert.match(await responseOutcome(connection, 3), /^reset/)
      send(
        5,
        ['x', 'y'].map((name) => [name, 'z'.repeat(35_000)]),
      )
      assert.equal(await responseOutcome(connection, 5), '431')
      send(7, [['x', 'y'.repeat(mode === 'proxy mode' ? 10_000 : 60_000)]]) // the upstream of this test accepts 16 KiB
      assert.equal(await responseOutcome(connection, 7), '200')
      connection.destroy()
    })
  })
}

test('an unknown method over HTTP/2 does not become a label of the metrics', async () => {
  const gateway = modes['auth-only mode']
  const connection = await openFrames(portOf(gateway))
  connection.send(requestFrame(1, requestFields({ ':method': 'MADE-UP' }, bob)))
  assert.equal(await responseOutcome(connection, 1), '400')
  const line = await gateway.logged(({ message }) => message === 'UNKNOWN / 400 an unknown method')
  assert.equal(line['error.code'], 'payload_invalid')
  connection.destroy()
})

async function outcomeOrClosed(connection: FrameConnection): Promise<string> {
  return Promise.race([responseOutcome(connection, 1).catch(() => 'closed'), connection.closed.then(() => 'closed')])
}

/** A header block of any length, as HEADERS and CONTINUATION frames. */
function toFrames(stream: number, block: Buffer): Buffer[] {
  const payloads = Array.from({ length: Math.ceil(block.length / 16_384) }, (_, i) =>
    block.subarray(i * 16_384, (i + 1) * 16_384),
  )
  return payloads.map((payload, i) => {
    const flags = (i === 0 ? 0x1 : 0) | (i === payloads.length - 1 ? 0x4 : 0)
    return frame(i === 0 ? 'headers' : 'continuation', { stream, flags, payload })
  })
}

for (const [mode, { url }] of Object.entries(modes)) {
  test(`${mode} over HTTP/2 closes a stream after its response, even if the request body has not ended`, async () => {
    const session = connect(url, { ca: authority.cert })
    // With a cached credential, the response is sent in the same turn of the event loop.
    for (let i = 0; i < 5; i++) {
      const stream = session.request({ ':method': 'POST', 'remote-user': 'bob' })
      stream.on('error', () => {})
      stream.write('the rest never comes')
      const [head] = await once(stream, 'response')
      assert.equal(head[':status'], 200)
      stream.resume()
      await once(stream, 'close')
      assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR)
    }
    session.close()
  })
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'

const upstream = await startRawUpstream((socket, head) => {
  if (!head.startsWith('POST /missing ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
})
const gateway = await startProxy(upstream.url)

const identity = 'Host: es\r\nRemote-User: bob\r\n'
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n'

/** Each is followed by another request, which a server that interprets the framing differently treats as a part of the first one, or the other way round. */
const attacks: [what: string, bytes: string][] = [
  ['CL.TE', `POST / HTTP/1.1\r\n${identity}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`],
  [
    'TE.CL',
    `POST / HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${smuggled}\r\n0\r\n\r\n`,
  ],
  [
    'TE.TE with two headers',
    `POST / HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`,
  ],
  [
    'TE.TE with identity, chunked',
    `POST / HTTP/1.1\r\n${identity}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['TE with a vertical tab', `POST / HTTP/1.1\r\n${identity}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`],
  ['TE with a space before the colon', `POST / HTTP/1.1\r\n${identity}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${identity}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [
    'two equal Content-Length headers',
    `POST / HTTP/1.1\r\n${identity}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  ],
  [
    'two different Content-Length headers',
    `POST / HTTP/1.1\r\n${identity}Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc`,
  ],
  ['Content-Length: +5', `POST / HTTP/1.1\r\n${identity}Content-Length: +5\r\n\r\nhello`],
  ['Content-Length: 0x5', `POST / HTTP/1.1\r\n${identity}Content-Length: 0x5\r\n\r\nhello`],
  ['Content-Length: 5,5', `POST / HTTP/1.1\r\n${identity}Content-Length: 5,5\r\n\r\nhello`],
  ['Content-Length: -1', `POST / HTTP/1.1\r\n${identity}Content-Length: -1\r\n\r\n`],
  ['Content-Length: 2^64+5', `POST / HTTP/1.1\r\n${identity}Content-Length: 18446744073709551621\r\n\r\nhello`],
  ['obs-fold', `GET / HTTP/1.1\r\n${identity}X-A: b\r\n c\r\n\r\n`],
  ['bare LF', `GET / HTTP/1.1\n${identity}\n`],
  ['bare LF in a header', `GET / HTTP/1.1\r\n${identity}X-A: b\nX-C: d\r\n\r\n`],
  ['bare CR', `GET / HTTP/1.1\r\n${identity}X-A: b\rX-C: d\r\n\r\n`],
  ['NUL in a header', `GET / HTTP/1.1\r\n${identity}X-A: b\0c\r\n\r\n`],
  ['a space before a header', `GET / HTTP/1.1\r\n ${identity}\r\n`],
  ['two Host headers', `GET / HTTP/1.1\r\n${identity}Host: evil\r\n\r\n`],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\nRemote-User: bob\r\n\r\n'],
  ['a request without Host', 'GET / HTTP/1.1\r\nRemote-User: bob\r\n\r\n'],
  ['a request of HTTP/1.0 without Host', 'GET / HTTP/1.0\r\nRemote-User: bob\r\n\r\n'],
  ['another host in the target', `GET http://evil/ HTTP/1.1\r\n${identity}\r\n`],
  ['CONNECT', `CONNECT es:443 HTTP/1.1\r\n${identity}\r\n`],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${identity}\r\n`],
  ['HTTP/2.0', `GET / HTTP/2.0\r\n${identity}\r\n`],
  ['the connection preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a space in the target', `GET /a b HTTP/1.1\r\n${identity}\r\n`],
  ['a control character in the target', `GET /a\x01 HTTP/1.1\r\n${identity}\r\n`],
  [
    'an upgrade with two Host headers',
    `GET / HTTP/1.1\r\n${identity}Host: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ],
  [
    'an upgrade with a body',
    `GET / HTTP/1.1\r\n${identity}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`,
  ],
]

describe('request smuggling is rejected with 400, closes the connection, and does not reach the upstream', () => {
  for (const [what, bytes] of attacks) {
    test(`rejects ${what} with 400, and does not forward it`, async () => {
      const before = upstream.received()
      const connection = openRaw(portOf(gateway))
      connection.send(bytes + smuggled)
      const text = await connection.closed
      assert.match(text, /^HTTP\/1.1 400 /)
      assert.equal(text.match(/HTTP\/1.1 /g)?.length, 1, 'one response')
      assert.equal(upstream.received(), before)
    })
  }
})

describe('an invalid body never looks complete to the upstream', () => {
  const bodies: [what: string, bytes: string][] = [
    ['a chunk size of 2^64+1', 'a\r\n0123456789\r\n10000000000000001\r\nx'],
    ['a chunk longer than its size', '3\r\nabcdef\r\n0\r\n\r\n'],
    ['a chunk size that is not a number', 'a\r\n0123456789\r\nzz\r\n'],
    ['a bare LF after a chunk size', 'a\n0123456789\n0\n\n'],
    ['a bare LF in a chunk extension', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
    ['chunk extensions of 1 MB', `3;${'a'.repeat(1024 * 1024)}\r\nabc\r\n0\r\n\r\n`],
    ['a framing header in the trailers', '3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ]
  for (const [what, bytes] of bodies) {
    test(`does not make a body with ${what} look complete to the upstream`, async () => {
      const path = `/${encodeURIComponent(what)}`
      const connection = openRaw(portOf(gateway))
      connection.send(`POST ${path} HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\n\r\n${bytes}`)
      await connection.closed
      const [, after = ''] = upstream.received().split(`POST ${path} `)
      assert.doesNotMatch(after, /\r\n0\r\n\r\n/)
    })
  }
})

test('closes the upstream connection if the client disconnects before the last chunk', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(`POST /missing HTTP/1.1\r\n${identity}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
  await upstream.until(/POST \/missing [\s\S]*3\r\nabc/)
  connection.socket.end()
  await connection.closed
  await gateway.logged((line) => line['url.path'] === '/missing' && line['error.code'] !== undefined)
  assert.doesNotMatch(upstream.received().split('POST /missing ')[1]!, /\r\n0\r\n\r\n/)
})

test('drops trailers that have the name of a sensitive header', async () => {
  const connection = openRaw(portOf(gateway))
  const trailers =
    'Authorization: Basic ZWxhc3RpYzp4\r\nes-security-runas-user: elastic\r\nX-Forwarded-For: 1.2.3.4\r\n'
  connection.send(
    `POST /trailers HTTP/1.1\r\n${identity}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n${trailers}\r\n`,
  )
  assert.match(await connection.closed, / 200 OK/)
  const [, seen = ''] = upstream.received().split('POST /trailers ')
  assert.match(seen, /3\r\nabc\r\n0\r\n\r\n$/)
  assert.doesNotMatch(seen, /ZWxhc3RpYzp4|runas|1\.2\.3\.4/)
})

test('does not forward chunk extensions', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(
    `POST /ext HTTP/1.1\r\n${identity}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n`,
  )
  assert.match(await connection.closed, / 200 OK/)
  const [, after = ''] = upstream.received().split('POST /ext ')
  assert.match(after, /\r\n3\r\nabc\r\n0\r\n\r\n$/)
})

test('converts a target from absolute-form to origin-form when forwarding it', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(`GET http://ES/abs?x HTTP/1.1\r\n${identity}Connection: close\r\n\r\n`)
  assert.match(await connection.closed, / 200 OK/)
  assert.match(upstream.received(), /GET \/abs\?x HTTP\/1.1\r\nhost: es\r\n/)
})

test('forwards two pipelined requests as two requests, each with one credential', async () => {
  const before = upstream.received().length
  const connection = openRaw(portOf(gateway))
  connection.send(`GET /one HTTP/1.1\r\n${identity}\r\nGET /two HTTP/1.1\r\n${identity}Connection: close\r\n\r\n`)
  assert.equal((await connection.closed).match(/ 200 OK/g)?.length, 2)
  const heads = upstream
    .received()
    .slice(before)
    .match(/GET \/(?:one|two) HTTP/g)
  assert.deepEqual(heads?.toSorted(), ['GET /one HTTP', 'GET /two HTTP'])
  assert.equal(
    upstream
      .received()
      .slice(before)
      .match(/^authorization: Basic /gim)?.length,
    2,
  )
})

test('responds to an upgrade request that has a body with 400, and keeps serving other clients', async () => {
  for (const length of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    const connection = openRaw(portOf(gateway))
    connection.send(`GET / HTTP/1.1\r\n${identity}Connection: Upgrade\r\nUpgrade: websocket\r\n${length}\r\n\r\n`)
    assert.match(await connection.closed, /^HTTP\/1.1 400 /)
  }
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
})

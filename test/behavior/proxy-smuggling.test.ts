import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startRawUpstream } from '../support/upstream.ts'

const upstream = await startRawUpstream((socket, head) => {
  if (!head.startsWith('POST /missing ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
})
const gateway = await startProxy(upstream.url)

const as = 'Host: es\r\nRemote-User: bob\r\n'
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n'

/** Each is followed by a request that a server which saw another end would take for part of the one before, or the other way round. */
const attacks: [what: string, bytes: string][] = [
  ['CL.TE', `POST / HTTP/1.1\r\n${as}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`],
  [
    'TE.CL',
    `POST / HTTP/1.1\r\n${as}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${smuggled}\r\n0\r\n\r\n`,
  ],
  ['TE.TE, two lines', `POST / HTTP/1.1\r\n${as}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`],
  ['TE.TE, identity first', `POST / HTTP/1.1\r\n${as}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`],
  ['TE with a vertical tab', `POST / HTTP/1.1\r\n${as}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`],
  ['TE before a colon with a blank', `POST / HTTP/1.1\r\n${as}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${as}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two equal lengths', `POST / HTTP/1.1\r\n${as}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
  ['two lengths', `POST / HTTP/1.1\r\n${as}Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc`],
  ['length +5', `POST / HTTP/1.1\r\n${as}Content-Length: +5\r\n\r\nhello`],
  ['length 0x5', `POST / HTTP/1.1\r\n${as}Content-Length: 0x5\r\n\r\nhello`],
  ['length 5,5', `POST / HTTP/1.1\r\n${as}Content-Length: 5,5\r\n\r\nhello`],
  ['length -1', `POST / HTTP/1.1\r\n${as}Content-Length: -1\r\n\r\n`],
  ['length 2^64+5', `POST / HTTP/1.1\r\n${as}Content-Length: 18446744073709551621\r\n\r\nhello`],
  ['obs-fold', `GET / HTTP/1.1\r\n${as}X-A: b\r\n c\r\n\r\n`],
  ['bare LF', `GET / HTTP/1.1\n${as}\n`],
  ['bare LF in a header', `GET / HTTP/1.1\r\n${as}X-A: b\nX-C: d\r\n\r\n`],
  ['bare CR', `GET / HTTP/1.1\r\n${as}X-A: b\rX-C: d\r\n\r\n`],
  ['NUL', `GET / HTTP/1.1\r\n${as}X-A: b\0c\r\n\r\n`],
  ['a blank before a header', `GET / HTTP/1.1\r\n ${as}\r\n`],
  ['two Hosts', `GET / HTTP/1.1\r\n${as}Host: evil\r\n\r\n`],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\nRemote-User: bob\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\nRemote-User: bob\r\n\r\n'],
  ['no Host in HTTP/1.0', 'GET / HTTP/1.0\r\nRemote-User: bob\r\n\r\n'],
  ['another host in the target', `GET http://evil/ HTTP/1.1\r\n${as}\r\n`],
  ['CONNECT', `CONNECT es:443 HTTP/1.1\r\n${as}\r\n`],
  ['the asterisk', `OPTIONS * HTTP/1.1\r\n${as}\r\n`],
  ['HTTP/2.0', `GET / HTTP/2.0\r\n${as}\r\n`],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a blank in the target', `GET /a b HTTP/1.1\r\n${as}\r\n`],
  ['a control character in the target', `GET /a\x01 HTTP/1.1\r\n${as}\r\n`],
  ['an upgrade with two Hosts', `GET / HTTP/1.1\r\n${as}Host: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
  [
    'an upgrade with a body',
    `GET / HTTP/1.1\r\n${as}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`,
  ],
]

describe('is refused with 400 on a connection that closes, and the upstream hears nothing of it', () => {
  for (const [what, bytes] of attacks) {
    test(what, async () => {
      const before = upstream.received()
      const connection = openRaw(portOf(gateway))
      connection.send(bytes + smuggled)
      const text = await connection.closed
      assert.match(text, /^HTTP\/1.1 400 /)
      assert.equal(text.match(/HTTP\/1.1 /g)?.length, 1, 'one answer')
      assert.equal(upstream.received(), before)
    })
  }
})

describe('a body that turns out broken never looks whole to the upstream', () => {
  const bodies: [what: string, bytes: string][] = [
    ['a chunk’s size of 2^64+1', 'a\r\n0123456789\r\n10000000000000001\r\nx'],
    ['a chunk longer than its size', '3\r\nabcdef\r\n0\r\n\r\n'],
    ['a chunk’s size that is no number', 'a\r\n0123456789\r\nzz\r\n'],
    ['a line feed alone after a size', 'a\n0123456789\n0\n\n'],
    ['a line feed in a chunk’s extension', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
    ['chunk extensions of 1 MB', `3;${'a'.repeat(1024 * 1024)}\r\nabc\r\n0\r\n\r\n`],
    ['trailers that frame', '3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ]
  for (const [what, bytes] of bodies) {
    test(what, async () => {
      const path = `/${encodeURIComponent(what)}`
      const connection = openRaw(portOf(gateway))
      connection.send(`POST ${path} HTTP/1.1\r\n${as}Transfer-Encoding: chunked\r\n\r\n${bytes}`)
      await connection.closed
      const [, after = ''] = upstream.received().split(`POST ${path} `)
      assert.doesNotMatch(after, /\r\n0\r\n\r\n/)
    })
  }
})

test('without its last chunk, from a client that leaves, the upstream’s connection ends', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(`POST /missing HTTP/1.1\r\n${as}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
  await upstream.until(/POST \/missing [\s\S]*3\r\nabc/)
  connection.socket.end()
  await connection.closed
  await gateway.logged((line) => line['url.path'] === '/missing' && line['error.code'] !== undefined)
  assert.doesNotMatch(upstream.received().split('POST /missing ')[1]!, /\r\n0\r\n\r\n/)
})

test('trailers that would be headers of weight are dropped', async () => {
  const connection = openRaw(portOf(gateway))
  const trailers =
    'Authorization: Basic ZWxhc3RpYzp4\r\nes-security-runas-user: elastic\r\nX-Forwarded-For: 1.2.3.4\r\n'
  connection.send(
    `POST /trailers HTTP/1.1\r\n${as}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n${trailers}\r\n`,
  )
  assert.match(await connection.closed, / 200 OK/)
  const [, seen = ''] = upstream.received().split('POST /trailers ')
  assert.match(seen, /3\r\nabc\r\n0\r\n\r\n$/)
  assert.doesNotMatch(seen, /ZWxhc3RpYzp4|runas|1\.2\.3\.4/)
})

test('chunks’ extensions go no further', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(
    `POST /ext HTTP/1.1\r\n${as}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n`,
  )
  assert.match(await connection.closed, / 200 OK/)
  const [, after = ''] = upstream.received().split('POST /ext ')
  assert.match(after, /\r\n3\r\nabc\r\n0\r\n\r\n$/)
})

test('a target on its own host is a path to the upstream', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(`GET http://ES/abs?x HTTP/1.1\r\n${as}Connection: close\r\n\r\n`)
  assert.match(await connection.closed, / 200 OK/)
  assert.match(upstream.received(), /GET \/abs\?x HTTP\/1.1\r\nhost: es\r\n/)
})

test('two requests in one piece are two requests, each with one credential', async () => {
  const before = upstream.received().length
  const connection = openRaw(portOf(gateway))
  connection.send(`GET /one HTTP/1.1\r\n${as}\r\nGET /two HTTP/1.1\r\n${as}Connection: close\r\n\r\n`)
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

test('an upgrade whose body is still to come is refused, and harms nobody', async () => {
  for (const length of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    const connection = openRaw(portOf(gateway))
    connection.send(`GET / HTTP/1.1\r\n${as}Connection: Upgrade\r\nUpgrade: websocket\r\n${length}\r\n\r\n`)
    assert.match(await connection.closed, /^HTTP\/1.1 400 /)
  }
  assert.equal((await fetch(`${gateway.url}/elastauth/health`)).status, 200)
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRaw } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const asked: string[] = []
const held = new Map<string, () => void>()
const streams = new Map<string, ServerResponse>()
const write = (path: string, piece: string) => void streams.get(path)!.write(piece)
const upstream = await startUpstream(({ url = '' }, response) => {
  asked.push(url)
  held.set(url, () => response.end(url))
  streams.set(url, response)
  if (url.startsWith('/now')) response.end(url)
  if (url === '/half') response.writeHead(200, { 'Content-Length': 'half of/half'.length }).write('half of')
})
const gateway = await startProxy(upstream.url)

const head = (path: string, ...more: string[]) =>
  [`PUT ${path} HTTP/1.1`, 'Host: es', 'Remote-User: bob', 'Content-Length: 0', ...more, '', ''].join('\r\n')

test('requests in a row on one connection go on one after the other: no write overtakes the one before it', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  connection.send(head('/first') + head('/now/second') + head('/now/third', 'Connection: close'))
  await arrived
  assert.equal((await fetch(`${gateway.url}/now/other`, { headers: { 'Remote-User': 'bob' } })).status, 200)
  assert.deepEqual(asked, ['/first', '/now/other'])
  held.get('/first')!()
  const text = await connection.closed
  assert.deepEqual(asked.slice(2), ['/now/second', '/now/third'])
  assert.deepEqual(text.match(/\/first|\/now\/(?:second|third)/g), ['/first', '/now/second', '/now/third'])
})

test('those that wait when their client leaves never go on', async () => {
  asked.length = 0
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  connection.send(head('/stuck') + Array.from({ length: 30 }, (_, i) => head(`/now/left/${i}`)).join(''))
  await arrived
  connection.socket.destroy()
  await gateway.logged((line) => line['url.path'] === '/now/left/29' && line['http.response.status_code'] === 499)
  assert.deepEqual(asked, ['/stuck'])
  assert.doesNotMatch(gateway.output(), /MaxListeners/)
})

test('what follows a request that closes its connection never goes on', async () => {
  asked.length = 0
  for (const first of ['GET / HTTP/1.1\r\nRemote-User: bob\r\n\r\n', head('/now/closing', 'Connection: close')]) {
    const connection = openRaw(portOf(gateway))
    connection.send(first + head('/now/behind'))
    connection.send(head('/now/behind'))
    await connection.closed
  }
  assert.ok(!asked.includes('/now/behind'))
})

const faulty = 'GET / HTTP/1.1\r\nHost: es\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n'

for (const [what, bytes] of [
  ['what is no HTTP', 'garbage\r\n\r\n'],
  ['a request that is framed twice', faulty],
]) {
  test(`${what} behind a request is refused after its answer, not in the middle of it`, async () => {
    for (const path of ['/half', '/silent']) {
      const connection = openRaw(portOf(gateway))
      const arrived = once(upstream.server, 'request')
      connection.send(head(path))
      await arrived
      if (path === '/half') await connection.until(/half of$/)
      connection.send(bytes!)
      await fetch(`${gateway.url}/now/other`, { headers: { 'Remote-User': 'bob' } }) // it has read them by now
      connection.send(bytes!)
      held.get(path)!()
      const text = await connection.closed
      assert.match(
        text,
        /^HTTP\/1\.1 200 OK\r\n[^{]*(?:half of\/half|\/silent)HTTP\/1\.1 400 Bad Request\r\n[^{]*\{[^{}]*\}\n$/,
      )
    }
  })

  test(`${what} behind a request that closes its connection is not heard`, async () => {
    const connection = openRaw(portOf(gateway))
    const arrived = once(upstream.server, 'request')
    connection.send(head('/last', 'Connection: close') + bytes)
    await arrived
    held.get('/last')!()
    assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
  })
}

const tunnel = 'CONNECT es:443 HTTP/1.1\r\nHost: es\r\n\r\n'

test('a tunnel to another host behind a request cuts its answer, and ends those that wait behind it', async () => {
  for (const isReset of [false, true]) {
    const connection = openRaw(portOf(gateway))
    connection.send(head('/half') + head(`/now/queued/${isReset}`))
    await connection.until(/half of$/)
    connection.send(tunnel)
    if (isReset) connection.socket.resetAndDestroy()
    assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
    const line = await gateway.logged((one) => one['url.path'] === `/now/queued/${isReset}`)
    assert.equal(line['http.response.status_code'], 499)
  }
  assert.equal(gateway.process.exitCode, null)
})

test('a client that leaves in the middle of its next request is gone for the one before, too', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  connection.send(`${head('/silent')}GET /par`)
  const [asked] = (await arrived) as [IncomingMessage]
  const left = once(asked.on('error', () => {}).socket, 'close')
  connection.socket.end()
  await left
})

test('a refusal that is known at once ends nothing of the answer before it', async () => {
  const impatient = await startProxy(upstream.url, { flags: { 'proxy.timeout': '2s' } })
  const connection = openRaw(portOf(impatient))
  connection.send(`${head('/half')}POST /nobody HTTP/1.1\r\nHost: es\r\nContent-Length: 3\r\n\r\nabc`)
  await connection.until(/half of$/)
  for (const piece of ['/', 'h', 'a', 'l', 'f']) {
    await sleep(600)
    write('/half', piece)
  }
  assert.match(await connection.until(/identity_missing.*\n$/s), /half of\/halfHTTP\/1\.1 401 /)
  connection.socket.destroy()
})

test('a body that turns out broken when its answer has begun cuts it: a word of ours would look like its end', async () => {
  const connection = openRaw(portOf(gateway))
  connection.send(
    'PUT /half HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  )
  await connection.until(/half of$/)
  connection.send('zz\r\n')
  assert.deepEqual((await connection.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
})

const upgrade = (path: string, protocol = 'websocket') =>
  [`GET ${path} HTTP/1.1`, 'Host: es', 'Remote-User: bob', 'Connection: Upgrade', `Upgrade: ${protocol}`, '', ''].join(
    '\r\n',
  )

test('an upgrade behind a refusal or a page of ours, in one piece with it, is an ordinary request', async () => {
  for (const [path, status] of [
    ['/nobody', 401],
    ['/elastauth/health', 200],
  ] as const) {
    const connection = openRaw(portOf(gateway))
    connection.send(`GET ${path} HTTP/1.1\r\nHost: es\r\n\r\n${upgrade('/now/upgrade')}`)
    const text = await connection.until(/\/now\/upgrade$/)
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), [`HTTP/1.1 ${status}`, 'HTTP/1.1 200'])
    connection.socket.destroy()
  }
})

test('what comes behind an upgrade that is an ordinary request is no request: Node has lost its beginning', async () => {
  for (const [path, protocol] of [
    ['/now/h2c', 'h2c'],
    ['/elastauth/health', 'websocket'],
  ] as const) {
    asked.length = 0
    const connection = openRaw(portOf(gateway))
    const smuggled = head('/now/smuggled')
    connection.send(upgrade(path, protocol) + head('/now/lost').replace('Length: 0', `Length: ${smuggled.length}`))
    await connection.until(/^HTTP\/1\.1 200 [\s\S]*Connection: close\r\n/)
    connection.send(smuggled)
    assert.equal((await connection.closed).match(/HTTP\/1\.1 /g)?.length, 1)
    assert.ok(!asked.includes('/now/smuggled'))
  }
})

test('an upgrade behind a request that is not answered is an ordinary request: a tunnel would go before the answer', async () => {
  const connection = openRaw(portOf(gateway))
  const arrived = once(upstream.server, 'request')
  const words = ['Remote-User: bob', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: a2V5']
  connection.send(head('/before'))
  await arrived
  connection.send(['GET /now/upgrade HTTP/1.1', 'Host: es', ...words, '', ''].join('\r\n'))
  held.get('/before')!()
  const text = await connection.until(/\/now\/upgrade$/)
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
  connection.socket.destroy()
})

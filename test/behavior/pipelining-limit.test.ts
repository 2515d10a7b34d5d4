import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Gateway } from '../support/gateway.ts'
import { openRaw, type RawConnection } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'
import { createFixture } from './fixture.ts'

const maxPending = 32

const directory = mkdtempSync(join(tmpdir(), 'elastauth-'))
after(() => rmSync(directory, { recursive: true }))

const forwarded: string[] = []
let releaseFirst = () => {}
const upstream = await startUpstream(({ url = '' }, response: ServerResponse) => {
  forwarded.push(url)
  if (url === '/0') releaseFirst = () => response.end('/0;')
  else response.end(`${url};`)
})
const { start } = await createFixture()
const authOnly = await start({ flags: { trusted_proxies: 'none' } })
const proxy = await startProxy(upstream.url)

const get = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: es', ...headers, '', ''].join('\r\n')
const requests = (count: number, ...headers: string[]) =>
  Array.from({ length: count }, (_, i) => get(`/${i}`, ...headers)).join('')
const subRequests = (count: number) => get('/').repeat(count)

/** The received responses. */
const responsesIn = (text: string) => text.split(/(?=HTTP\/1\.1 \d)/).filter((part) => part !== '')
const isClosing = (response: string) => /\r\nConnection: close\r\n/i.test(response)

function assertClosesWithTheLast(text: string, status: number): string[] {
  const responses = responsesIn(text)
  assert.equal(responses.length, maxPending)
  for (const response of responses) assert.match(response, new RegExp(`^HTTP/1\\.1 ${status} `))
  assert.deepEqual(responses.map(isClosing), [...Array(maxPending - 1).fill(false), true])
  return responses
}

async function received(connection: RawConnection, count: number): Promise<string[]> {
  while (responsesIn(connection.received()).length < count || !connection.received().endsWith('}\n'))
    await once(connection.socket, 'data')
  return responsesIn(connection.received())
}

/** How many requests the gateway has logged. */
async function countLogged(gateway: Gateway): Promise<number> {
  await fetch(`${gateway.url}/elastauth/docs`)
  await gateway.logged((line) => line['url.path'] === '/elastauth/docs')
  return gateway.log.filter((line) => line['url.path'] === '/').length
}

describe('the pipelining limit', () => {
  for (const count of [maxPending + 1, 1390, 20_000]) {
    test(`a client gets ${maxPending} whole responses to ${count} pipelined requests in auth-only mode, the last of them with Connection: close`, async () => {
      const gateway = await start({ flags: { trusted_proxies: 'none' } })
      const connection = openRaw(portOf(gateway))
      connection.send(subRequests(count))
      const responses = assertClosesWithTheLast(await connection.closed, 401)
      for (const response of responses) assert.match(response, /"error":"identity_missing".*\}\n$/)
      assert.equal(await countLogged(gateway), maxPending)
    })

    test(`a client gets ${maxPending} whole responses to ${count} requests pipelined behind a slow request in proxy mode, and no further request is forwarded`, async () => {
      forwarded.length = 0
      const arrived = once(upstream.server, 'request')
      const connection = openRaw(portOf(proxy))
      connection.send(requests(count, 'Remote-User: bob'))
      await arrived
      assert.equal((await fetch(`${proxy.url}/other`, { headers: { 'Remote-User': 'bob' } })).status, 200)
      assert.deepEqual(forwarded, ['/0', '/other'])
      releaseFirst()
      const responses = assertClosesWithTheLast(await connection.closed, 200)
      for (const [i, response] of responses.entries()) assert.ok(response.includes(`/${i};`), response)
      assert.deepEqual(
        forwarded.filter((path) => path !== '/other'),
        Array.from({ length: maxPending }, (_, i) => `/${i}`),
      )
    })
  }

  test('the pipelining limit also applies to a route without authentication', async () => {
    const config = join(directory, 'config.yml')
    writeFileSync(config, `proxy: { routes: [{ path: /, auth: none, upstreams: ["${upstream.url}"] }] }\n`)
    const open = await startProxy(undefined, { flags: { config } })
    const arrived = once(upstream.server, 'request')
    const connection = openRaw(portOf(open))
    connection.send(requests(5000))
    await arrived
    releaseFirst()
    assertClosesWithTheLast(await connection.closed, 200)
  })

  test('the bodies of pipelined requests are not parsed as requests', async () => {
    forwarded.length = 0
    const arrived = once(upstream.server, 'request')
    const connection = openRaw(portOf(proxy))
    const body = get('/smuggled', 'Remote-User: bob')
    const post = get('/post', 'Remote-User: bob', `Content-Length: ${body.length}`).replace('GET', 'POST') + body
    connection.send(get('/0', 'Remote-User: bob') + post.repeat(500))
    await arrived
    releaseFirst()
    assertClosesWithTheLast(await connection.closed, 200)
    assert.deepEqual(forwarded, ['/0', ...Array(maxPending - 1).fill('/post')])
  })

  test('invalid HTTP, an upgrade or a CONNECT after too many pipelined requests gets no response', async () => {
    for (const last of ['garbage\r\n\r\n', get('/', 'Connection: Upgrade', 'Upgrade: websocket')]) {
      const connection = openRaw(portOf(authOnly))
      connection.send(subRequests(maxPending + 10) + last)
      assertClosesWithTheLast(await connection.closed, 401)
    }
    const connection = openRaw(portOf(authOnly))
    connection.send(`${subRequests(maxPending + 10)}CONNECT es:443 HTTP/1.1\r\nHost: es\r\n\r\n`)
    await connection.closed
    assert.equal(authOnly.process.exitCode, null)
  })
})

test(`a client that pipelines ${maxPending - 1} requests at a time keeps its connection`, async () => {
  const connection = openRaw(portOf(authOnly))
  for (let round = 1; round <= 3; round++) {
    connection.send(subRequests(maxPending - 1))
    await received(connection, round * (maxPending - 1))
  }
  assert.ok(!responsesIn(connection.received()).some(isClosing))
  connection.socket.destroy()
})

test('the third pipelined request with 12 kB of headers gets Connection: close, because the total header size is limited as well', async () => {
  const arrived = once(upstream.server, 'request')
  const connection = openRaw(portOf(proxy))
  const large = get('/large', 'Remote-User: bob', `X-A: ${'x'.repeat(12_000)}`)
  connection.send(get('/0', 'Remote-User: bob') + large.repeat(5))
  await arrived
  await fetch(`${proxy.url}/other`, { headers: { 'Remote-User': 'bob' } }) // elastauth has read all requests by now
  releaseFirst()
  assert.deepEqual(responsesIn(await connection.closed).map(isClosing), [false, false, false, true])
})

test('a single request with large headers keeps its connection open', async () => {
  const connection = openRaw(portOf(authOnly))
  for (let round = 1; round <= 3; round++) {
    connection.send(get('/', `X-A: ${'x'.repeat(60_000)}`))
    await received(connection, round)
  }
  assert.ok(!responsesIn(connection.received()).some(isClosing))
  connection.socket.destroy()
})

test('a request that follows the last request of its connection is neither processed nor logged', async () => {
  const gateway = await start()
  for (const closing of [get('/closing', 'Connection: close'), 'GET /closing HTTP/1.0\r\n\r\n']) {
    const connection = openRaw(portOf(gateway))
    connection.send(closing + get('/after'))
    assert.equal(responsesIn(await connection.closed).length, 1)
  }
  await fetch(`${gateway.url}/end`)
  await gateway.logged((line) => line['url.path'] === '/end')
  assert.ok(!gateway.output().includes('/after'))
})

import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { Agent, type Dispatcher, request } from 'undici'
import { openRaw } from '../support/raw-http.ts'
import { authority, caFile } from '../support/tls-files.ts'
import { portOf, startProxy, startRawUpstream, startUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** How often the upstream received each request, by path. */
const timesReceived = new Map<string, number>()
const requestsServed = new WeakMap<Socket, number>()

/** Responds to one request per connection, and closes the connection when the next one arrives: the worst moment to close an idle connection. */
const closeWhenReused: RequestListener = (incoming, response) => {
  const { socket, url = '' } = incoming
  timesReceived.set(url, (timesReceived.get(url) ?? 0) + 1)
  const before = requestsServed.get(socket) ?? 0
  requestsServed.set(socket, before + 1)
  if (before === 0) response.end('ok')
  else if (timesReceived.size % 2 === 0 || 'encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

const plain = await startUpstream(closeWhenReused)
const secure = await startUpstream(closeWhenReused, { tls: authority.issue('localhost') })
const agent = new Agent({ connections: 8 })

async function send(count: number, url: (i: number) => string, options: Partial<Dispatcher.RequestOptions> = {}) {
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { statusCode, body } = await request(url(i), { dispatcher: agent, headers: bob, ...options } as object)
      await body.dump()
      return statusCode
    }),
  )
  return Object.groupBy(statuses, String)
}

for (const [name, { url }, count, flags] of [
  ['HTTP', plain, 4000, {}],
  ['HTTPS', secure, 1000, { 'proxy.tls.enabled': 'true', 'proxy.tls.ca_cert': caFile }],
] as const) {
  describe(`an upstream over ${name} that closes each connection when it is reused`, async () => {
    const gateway = await startProxy(url, { flags })

    test(`retries each of ${count} GET requests over ${name} at most once, and responds to all with 200`, async () => {
      timesReceived.clear()
      const byStatus = await send(count, (i) => `${gateway.url}/get/${i}`)
      assert.deepEqual(Object.keys(byStatus), ['200'])
      assert.equal(timesReceived.size, count)
      const repeated = [...timesReceived.values()].filter((times) => times > 1)
      assert.ok(repeated.length > 100, `only ${repeated.length} requests were sent on a connection that was closing`)
      assert.ok(repeated.every((times) => times === 2))
    })

    test(`retries GET and HEAD requests over ${name}, and responds to all with 200`, async () => {
      timesReceived.clear()
      const [gets, heads] = await Promise.all([
        send(100, (i) => `${gateway.url}/get/${i}`),
        send(100, (i) => `${gateway.url}/head/${i}`, { method: 'HEAD' }),
      ])
      assert.deepEqual([Object.keys(gets), Object.keys(heads)], [['200'], ['200']])
    })

    for (const [what, options] of [
      ['a POST', { method: 'POST', body: '{}' }],
      ['a POST without a body', { method: 'POST' }],
      ['a DELETE', { method: 'DELETE' }],
      ['a GET with a body', { method: 'GET', body: '{}' }],
    ] as const) {
      test(`never retries ${what} over ${name}, and responds with 502 if the connection was closing`, async () => {
        timesReceived.clear()
        let sent = 0
        const statuses = new Set<string>()
        const expected = new Set(['200', '502'])
        // Until a request was sent on a reused connection: on a busy machine, idle ones may expire first. undici never reuses the
        // connection of a GET with a body, so each round begins with requests that leave idle connections.
        while (!statuses.has('502')) {
          await send(8, (i) => `${gateway.url}/warm/${i}`)
          const byStatus = await send(200, () => `${gateway.url}/once/${sent++}`, options)
          for (const status of Object.keys(byStatus)) statuses.add(status)
          assert.ok(statuses.isSubsetOf(expected), `responses by status: ${Object.keys(byStatus).join(', ')}`)
        }
        assert.deepEqual(statuses, expected)
        for (const [path, times] of timesReceived) if (path.startsWith('/once/')) assert.equal(times, 1, path)
      })
    }
  })
}

describe('the retry of a GET without a body', async () => {
  let respond: (socket: Socket) => void
  const upstream = await startRawUpstream((socket, head) => {
    if (head.startsWith('GET /warm ')) socket.write(ok)
    else respond(socket)
  })
  const { url, logged } = await startProxy(upstream.url)
  const timesSent = (path: string) => upstream.received().split(`GET ${path} `).length - 1

  async function get(path: string): Promise<number> {
    const { statusCode, body } = await request(url + path, { headers: bob })
    await body.dump()
    return statusCode
  }

  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    test(`sends a GET once if the upstream closes a new connection with socket.${end}()`, async () => {
      respond = (socket) => socket[end]()
      assert.equal(await get(`/first/${end}`), 502)
      assert.equal(timesSent(`/first/${end}`), 1)
    })

    test(`sends a GET at most twice if the upstream closes a reused connection and then a new connection with socket.${end}()`, async () => {
      assert.equal(await get('/warm'), 200)
      respond = (socket) => socket[end]()
      assert.equal(await get(`/always/${end}`), 502)
      assert.equal(timesSent(`/always/${end}`), 2)
    })

    test(`sends a GET once if the upstream closes a reused connection with socket.${end}() after an informational response`, async () => {
      const path = `/hinted/${end}`
      assert.equal(await get('/warm'), 200)
      const arrived = Promise.withResolvers<Socket>()
      respond = arrived.resolve
      const client = openRaw(portOf({ url }))
      client.send(`GET ${path} HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\nConnection: close\r\n\r\n`)
      const socket = await arrived.promise
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n')
      await client.until(/^HTTP\/1\.1 103 /)
      socket[end]()
      assert.match(await client.closed, /HTTP\/1\.1 502 /)
      assert.equal(timesSent(path), 1)
    })
  }

  test('sends a GET once if a reused connection closes after the first byte of a response', async () => {
    assert.equal(await get('/warm'), 200)
    respond = (socket) => socket.end('H')
    assert.equal(await get('/byte'), 502)
    assert.equal(timesSent('/byte'), 1)
  })

  test('sends a GET once if its client has closed the connection before a reused connection closes', async () => {
    assert.equal(await get('/warm'), 200)
    const arrived = Promise.withResolvers<Socket>()
    respond = arrived.resolve
    const client = openRaw(portOf({ url }))
    client.send('GET /aborted HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')
    const socket = await arrived.promise
    client.socket.destroy()
    await logged((line) => line['url.path'] === '/aborted' && line['http.response.status_code'] === 499)
    socket.destroy()
    assert.equal(await get('/warm'), 200)
    assert.equal(timesSent('/aborted'), 1)
  })
})

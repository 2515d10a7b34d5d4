import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createCall } from '../../../src/es/call.ts'
import { createElasticsearchClient } from '../../../src/es/client.ts'
import { createPasswordHashing } from '../../../src/es/password-hashing.ts'
import { createUsers } from '../../../src/es/users.ts'
import { createDeadlines } from '../../support/deadlines.ts'

const elasticsearchHeaders = { 'x-elastic-product': 'Elasticsearch', 'content-type': 'application/json' }
const toClose: (() => unknown)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close()
})

async function serve(listener: RequestListener) {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  toClose.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function connect(hosts: readonly string[], timeoutMs: number) {
  const client = createElasticsearchClient({
    ...{ hosts, username: 'elastic', password: 'changeme', insecureSkipVerify: false, timeoutMs },
  })
  toClose.push(() => client.close())
  const call = createCall({ monotonicNow: () => performance.now() })
  return createUsers(
    () => client,
    call,
    createPasswordHashing('pbkdf2_1000', () => {}),
  )
}

/** Sends a byte from time to time, endlessly: each one restarts the timeouts of the official client. */
const sendSlowly: RequestListener = (_, response) => {
  response.writeHead(200, elasticsearchHeaders)
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}
const notFound: RequestListener = (_, response) => void response.writeHead(404, elasticsearchHeaders).end('{}')
const unavailable = (detail: RegExp) => ({ code: 'elasticsearch_unavailable', detail })
/** How many calls run on a host at a time. */
const maxConnections = 16

describe('elasticsearch.timeout', () => {
  test('elasticsearch.timeout ends a call whose response body arrives byte by byte', async () => {
    const { url } = await serve(sendSlowly)
    await assert.rejects(
      connect([url], 200).get('bob'),
      unavailable(/TimeoutError: no complete response within 200 ms/),
    )
  })

  test('elasticsearch.timeout ends a call whose response header section arrives line by line', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write('x: y\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    toClose.push(() => server.close())
    const { port } = server.address() as AddressInfo
    await assert.rejects(connect([`http://127.0.0.1:${port}`], 200).get('bob'), unavailable(/TimeoutError/))
  })

  test('elasticsearch.timeout ends a call with endless 103 responses', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'), 5)
      socket.on('close', () => clearInterval(timer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    toClose.push(() => server.close())
    const { port } = server.address() as AddressInfo
    await assert.rejects(connect([`http://127.0.0.1:${port}`], 200).get('bob'), unavailable(/TimeoutError/))
  })

  test('a call to Elasticsearch succeeds while 16 slow responses occupy all connections', async (t) => {
    const deadlines = createDeadlines(t)
    let arrived = 0
    const { url } = await serve((request, response) => {
      if (!request.url!.includes('slow')) return notFound(request, response)
      sendSlowly(request, response)
      if (++arrived === maxConnections) deadlines.pass()
    })
    const users = connect([url], 60_000)
    const slow = Array.from({ length: maxConnections }, (_, i) =>
      assert.rejects(users.get(`slow-${i}`), unavailable(/TimeoutError/)),
    )
    assert.equal(await users.get('bob'), undefined)
    await Promise.all(slow)
  })

  test('elasticsearch.timeout does not include the wait for a connection, which may take twice as long', async (t) => {
    const deadlines = createDeadlines(t)
    let arrived = 0
    const { url } = await serve((request, response) => {
      if (!request.url!.includes('held')) notFound(request, response)
      else if (++arrived === maxConnections) deadlines.pass()
    })
    const users = connect([url], 60_000)
    const all = Array.from({ length: maxConnections }, (_, i) => users.get(`held-${i}`).catch(() => 'late'))
    const waiting = users.get('bob') // it gets a connection when the others time out, when its own timeout would have expired
    assert.deepEqual(await Promise.all(all), Array(maxConnections).fill('late'))
    assert.equal(await waiting, undefined)
    assert.deepEqual(deadlines.limits, Array(maxConnections + 1).fill(60_000))
  })

  test('a call that waits more than twice elasticsearch.timeout for a connection is rejected', async () => {
    const { url } = await serve(() => {})
    const users = connect([url], 200)
    const calls = Array.from({ length: 5 * maxConnections }, () =>
      users.get('bob').then(String, ({ detail }) => String(detail)),
    )
    const details = await Promise.all(calls)
    assert.ok(details.some((detail) => detail.includes('timed out waiting for a free connection to Elasticsearch')))
  })

  test('elasticsearch.timeout limits a call with all its retries, and each of two slow hosts gets half of the time', async (t) => {
    const deadlines = createDeadlines(t)
    const [first, second] = [await serve(sendSlowly), await serve(sendSlowly)]
    const requests: string[] = []
    for (const { server, url } of [first, second]) {
      server.on('request', () => {
        requests.push(url)
        deadlines.pass()
      })
    }
    await assert.rejects(
      connect([first.url, second.url], 60_000).get('bob'),
      unavailable(/TimeoutError: no complete response within 30000 ms/),
    )
    assert.deepEqual(deadlines.limits, [30_000, 30_000])
    assert.deepEqual(requests.toSorted(), [first.url, second.url].toSorted())
  })

  test('a second host is tried with a time limit of 1 ms if a busy elastauth has noticed the timeout of the first one too late', async (t) => {
    const deadlines = createDeadlines(t)
    const hosts = [await serve(sendSlowly), await serve(sendSlowly)]
    for (const { server } of hosts) server.on('request', () => deadlines.pass(40_000))
    const users = connect(
      hosts.map(({ url }) => url),
      60_000,
    )
    await assert.rejects(users.get('bob'), unavailable(/TimeoutError: no complete response within 1 ms/))
    assert.deepEqual(deadlines.limits, [30_000, 1])
  })

  test('elasticsearch.timeout leaves time for the second host if the first one is slow', async (t) => {
    const deadlines = createDeadlines(t)
    const slow = await serve((request, response) => {
      sendSlowly(request, response)
      deadlines.pass()
    })
    const users = connect([slow.url, (await serve(notFound)).url], 60_000)
    for (let i = 0; i < 4; i++) assert.equal(await users.get('bob'), undefined)
    assert.ok(deadlines.limits.every((limit) => limit >= 30_000))
  })
})

describe('a response of Elasticsearch that is too large', () => {
  const endless: RequestListener = (_, response) => {
    response.writeHead(200, elasticsearchHeaders)
    const chunk = Buffer.alloc(64 * 1024, ' ')
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', more)
    more()
  }

  test('an endless response of Elasticsearch is cut off after some megabytes', async () => {
    const { server, url } = await serve(endless)
    const closed = once(server, 'connection').then(([socket]: Socket[]) => {
      socket!.on('error', () => {}) // reset
      return new Promise<number>((resolve) => socket!.once('close', () => resolve(socket!.bytesWritten)))
    })
    await assert.rejects(connect([url], 60_000).get('bob'), unavailable(/ConnectionError/))
    assert.ok((await closed) < 64 * 1024 * 1024)
  })

  for (const length of [512 * 1024 * 1024, 999_999_999_999]) {
    test(`a response of Elasticsearch with Content-Length ${length} is rejected without a crash`, async () => {
      const { url } = await serve((_, response) => {
        response.writeHead(200, { ...elasticsearchHeaders, 'content-length': length })
        response.write(Buffer.alloc(5 * 1024 * 1024, ' '))
      })
      await assert.rejects(connect([url], 60_000).get('bob'), unavailable(/ConnectionError/))
    })
  }

  for (const status of [200, 429, 503]) {
    test(`a compressed ${status} response of Elasticsearch, which was not requested, is rejected and not decompressed`, async () => {
      const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))
      const { url } = await serve((_, response) => {
        response.writeHead(status, { ...elasticsearchHeaders, 'content-encoding': 'gzip' }).end(bomb)
      })
      await assert.rejects(connect([url], 60_000).get('bob'), unavailable(/it is compressed/))
    })
  }

  test('a response of Elasticsearch with a header section of 17 kB is rejected', async () => {
    const { url } = await serve(
      (_, response) => void response.writeHead(200, { ...elasticsearchHeaders, x: 'x'.repeat(17_000) }).end('{}'),
    )
    await assert.rejects(connect([url], 60_000).get('bob'), unavailable(/Headers Overflow|ConnectionError/))
  })
})

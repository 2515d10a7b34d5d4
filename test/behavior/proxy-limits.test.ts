import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway, LogLine } from '../support/gateway.ts'
import { openRaw, type RawConnection } from '../support/raw-http.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const megabyte = Buffer.alloc(1024 * 1024)
const upstream = await startUpstream(async (request, response) => {
  request.on('error', () => {})
  response.on('error', () => {})
  if (request.url?.startsWith('/large')) {
    for (let i = 0; i < 50 && !response.destroyed; i++)
      if (!response.write(megabyte)) await once(response, 'drain').catch(() => {})
    response.end()
  } else request.resume().on('end', () => response.end('ok'))
})

const head = 'GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n'
const health = 'GET /elastauth/health HTTP/1.1\r\nHost: es\r\n\r\n'

function openMany(gateway: Gateway, count: number, bytes: string, localAddress = '127.0.0.1'): RawConnection[] {
  return Array.from({ length: count }, () => {
    const connection = openRaw(portOf(gateway), { localAddress })
    connection.send(bytes)
    return connection
  })
}

function closeAll(connections: readonly RawConnection[]): Promise<unknown> {
  for (const { socket } of connections) socket.destroy()
  return Promise.all(connections.map(({ closed }) => closed))
}

/** Sends requests on new connections until one succeeds: the gateway may notice closed connections with a delay. */
async function waitForRecovery(gateway: Gateway): Promise<void> {
  while (gateway.process.exitCode === null && gateway.process.signalCode === null) {
    const connection = openRaw(portOf(gateway))
    connection.send(head.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    if (/^HTTP\/1\.1 200 [\s\S]*ok$/.test(await connection.closed)) return
    await sleep(50)
  }
  assert.fail(`the gateway exited: ${gateway.output().slice(-2000)}`)
}

const isWarning = (line: LogLine) => line['event.action'] === 'connections_limited'

test('closes a connection beyond max_connections at once with a warning, keeps the others open, and accepts new connections after the others close', async () => {
  const gateway = await startProxy(upstream.url, { flags: { max_connections: '5' } })
  const first = openMany(gateway, 5, head)
  await Promise.all(first.map(({ until }) => until(/ok$/)))
  assert.equal(await openMany(gateway, 1, head)[0]!.closed, '')
  const { message } = await gateway.logged(isWarning)
  assert.match(message!, /^further connections are closed: .*max_connections/)
  for (const { send } of first) send(head)
  await Promise.all(first.map(({ until }) => until(/ok[\s\S]*ok$/)))
  await closeAll(first)
  await waitForRecovery(gateway)
})

test('closes further connections of a client that holds half of max_connections, unless trusted_proxies lists it', async () => {
  const gateway = await startProxy(upstream.url, { flags: { max_connections: '6', trusted_proxies: '127.0.0.2' } })
  const held = openMany(gateway, 3, health)
  await Promise.all(held.map(({ until }) => until(/HTTP\/1\.1 200 /)))
  assert.equal(await openMany(gateway, 1, health)[0]!.closed, '')
  const { message } = await gateway.logged(isWarning)
  assert.match(message!, /^further connections of 127\.0\.0\.1 are closed: .*max_connections/)
  const proxy = openMany(gateway, 3, health, '127.0.0.2')
  await Promise.all(proxy.map(({ until }) => until(/HTTP\/1\.1 200 /)))
  await closeAll([...held, ...proxy])
})

test('responds with 503 or closes connections when file descriptors run out, and recovers', async () => {
  const gateway = await startProxy(upstream.url, { fileLimit: 100, flags: { max_connections: '10000' } })
  await openMany(gateway, 1, head)[0]!.until(/ok$/) // caches the credential: later, no descriptor is left for Elasticsearch
  // These requests need no connection to the upstream, so the clients that are accepted take all descriptors.
  const connections = openMany(gateway, 300, health)
  const texts = await Promise.all(connections.map(({ until, received }) => until(/\r\n\r\n.+/).catch(received)))
  const accepted = connections.filter((_, i) => texts[i]!.startsWith('HTTP/1.1 200 '))
  assert.equal(texts.filter((text) => text === '').length, 300 - accepted.length)
  assert.ok(accepted.length > 0 && accepted.length < 300, `${accepted.length} accepted`)
  for (const { send } of accepted) send(head)
  const results = await Promise.all(
    accepted.map(({ until }) => until(/ 200 [\s\S]* (?:200 [\s\S]*ok$|503 [\s\S]*"overloaded")/)),
  )
  assert.ok(results.some((text) => text.includes('"overloaded"')))
  await waitForRecovery(gateway)
  await closeAll(connections)
  assert.deepEqual(
    gateway.log.filter((line) => line['error.code'] === 'internal'),
    [],
  )
})

describe('with a heap of 128 MB', () => {
  const small = ['--max-old-space-size=128']

  test('with a heap of 128 MB, survives ten concurrent uploads and downloads of 50 MB each', async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments: small })
    const body = () => new ReadableStream({ pull, type: 'bytes' }, { highWaterMark: 0 })
    const sent = new WeakMap<object, number>()
    function pull(controller: ReadableByteStreamController) {
      const count = sent.get(controller) ?? 0
      sent.set(controller, count + 1)
      if (count < 50) controller.enqueue(new Uint8Array(megabyte.length))
      else controller.close()
    }
    const upload = async () => {
      const init = { method: 'POST', body: body(), duplex: 'half', headers: { 'Remote-User': 'bob' } } as const
      assert.equal(await (await fetch(gateway.url, init)).text(), 'ok')
    }
    const download = async () => {
      const response = await fetch(`${gateway.url}/large`, { headers: { 'Remote-User': 'bob' } })
      let length = 0
      for await (const chunk of response.body!) length += chunk.length
      assert.equal(length, 50 * megabyte.length)
    }
    await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? upload() : download())))
    assert.equal(gateway.process.exitCode, null)
  })

  test('with a heap of 128 MB, survives 2,000 clients that start a download and do not read, and recovers', async () => {
    const gateway = await startProxy(upstream.url, { nodeArguments: small })
    const connections = openMany(gateway, 2000, head.replace('/', '/large'))
    for (const { socket } of connections) socket.pause()
    await sleep(5000)
    await closeAll(connections)
    await waitForRecovery(gateway)
    assert.equal(gateway.process.exitCode, null)
  })

  const heads: [what: string, headers: string][] = [
    ['a few long', `X-A: ${'x'.repeat(600)}\r\n`.repeat(100)],
    ['many short', 'aa:bb\r\n'.repeat(8500)],
  ]
  for (const [what, headers] of heads) {
    test(`with a heap of 128 MB, survives 5,000 clients that send ${what} headers of 60 KB in total and never finish, and recovers`, async () => {
      const gateway = await startProxy(upstream.url, { nodeArguments: small })
      const connections = openMany(gateway, 5000, `GET / HTTP/1.1\r\nHost: es\r\n${headers}`)
      await sleep(3000)
      await closeAll(connections)
      await waitForRecovery(gateway)
      assert.equal(gateway.process.exitCode, null)
    })
  }
})

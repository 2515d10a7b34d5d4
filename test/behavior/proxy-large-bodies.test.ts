import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { get, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { findFreePort } from '../support/port.ts'
import { openRaw } from '../support/raw-http.ts'
import { residentMegabytes, trackPeakResidentMegabytes } from '../support/resident-memory.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const chunk = Buffer.from('{"index":{}}\n'.repeat(6000)).subarray(0, 64 * 1024)
const megabyte = 1024 * 1024
const [gigabyte, bulk] = [1024 * megabyte, 200 * megabyte]

/** How long the upstream waits before it reads the next chunk. */
let delayMs = 0
const upstream = await startUpstream(async (request, response) => {
  if (request.url === '/scroll') {
    response.writeHead(200, { 'Content-Length': gigabyte })
    for (let sent = 0; sent < gigabyte; sent += chunk.length) if (!response.write(chunk)) await once(response, 'drain')
    response.end()
    return
  }
  let length = 0
  for await (const part of request) {
    length += part.length
    if (delayMs > 0) await sleep(delayMs)
  }
  response.end(String(length))
})
upstream.server.on('upgrade', (_request, stream) => {
  stream.on('error', () => {})
  stream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
})

/** Uploads so many bytes, chunked and with back-pressure. @returns the number of bytes that the upstream received */
async function uploadChunked(gateway: Gateway, length: number): Promise<number> {
  const upload = request(`${gateway.url}/_bulk`, { method: 'POST', headers: bob })
  const responded = once(upload, 'response') as Promise<[IncomingMessage]>
  for (let sent = 0; sent < length; sent += chunk.length) if (!upload.write(chunk)) await once(upload, 'drain')
  upload.end()
  const [message] = await responded
  let text = ''
  for await (const part of message) text += part
  return Number(text)
}

test('after SIGTERM, closes 200 WebSockets at once, completes a download of 1 GB, and exits with 0', async () => {
  const listen = `127.0.0.1:${await findFreePort()}` // no other program gets this port after the gateway has closed it
  const gateway = await startProxy(upstream.url, { flags: { listen, shutdown_timeout: '5m' } })
  const headers = ['Host: es', 'Remote-User: bob', 'Connection: Upgrade', 'Upgrade: websocket', '', '']
  const tunnels = Array.from({ length: 200 }, () => openRaw(portOf(gateway)))
  for (const { send } of tunnels) send(['GET /ws HTTP/1.1', ...headers].join('\r\n'))
  await Promise.all(tunnels.map(({ until }) => until(/101 /)))
  const [message] = (await once(get(`${gateway.url}/scroll`, { headers: bob }), 'response')) as [IncomingMessage]
  await once(message, 'readable')

  const stopped = gateway.stop()
  await Promise.all(tunnels.map(({ closed }) => closed))
  assert.equal(gateway.process.exitCode, null)
  await assert.rejects(fetch(gateway.url, { headers: bob }), 'accepts no new connection')
  let length = 0
  for await (const part of message) length += part.length
  assert.equal(length, gigabyte)
  assert.equal(await stopped, 0)
})

const hasProc = existsSync('/proc/self/status')

test('forwards a chunked upload of 200 MB to a slow upstream with less than 128 MB of memory (back-pressure)', {
  skip: !hasProc,
}, async () => {
  const gateway = await startProxy(upstream.url)
  assert.equal(await uploadChunked(gateway, 10 * megabyte), 10 * megabyte)
  const before = residentMegabytes(gateway.process.pid!)
  const peak = trackPeakResidentMegabytes(gateway.process.pid!)
  delayMs = 1
  assert.equal(await uploadChunked(gateway, bulk), bulk)
  const growth = peak() - before
  delayMs = 0
  // V8 lets up to 64 MB of chunks that were forwarded accumulate before it collects them.
  assert.ok(growth < 128, `${growth} MB more`)
})

/** Longer than proxy.timeout. The full run takes 400 s: by default, Node ends an upload after 300 s. */
const seconds = Number(process.env.UPLOAD_SECONDS ?? 7)

test(`forwards a ${seconds} s upload that arrives one byte at a time`, async () => {
  const gateway = await startProxy(upstream.url, { flags: { 'proxy.timeout': '6s' } })
  const upload = request(`${gateway.url}/_bulk`, { method: 'POST', headers: bob })
  const responded = once(upload, 'response') as Promise<[IncomingMessage]>
  for (let i = 0; i < seconds * 5; i++) {
    upload.write('x')
    await sleep(200)
  }
  upload.end()
  const [message] = await responded
  assert.equal(message.statusCode, 200)
  assert.equal(String(await once(message, 'data')), String(seconds * 5))
})

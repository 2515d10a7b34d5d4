import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { get, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import { openRaw } from '../support/raw-http.ts'
import { residentMegabytes, trackPeakResidentMegabytes } from '../support/resident-memory.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const bob = { 'Remote-User': 'bob' }
const piece = Buffer.from('{"index":{}}\n'.repeat(6000)).subarray(0, 64 * 1024)
const megabyte = 1024 * 1024
const [gigabyte, bulk] = [1024 * megabyte, 100 * megabyte]

/** In milliseconds, for each piece that a slow upstream reads. */
let delay = 0
const upstream = await startUpstream(async (asked, response) => {
  if (asked.url === '/scroll') {
    response.writeHead(200, { 'Content-Length': gigabyte })
    for (let sent = 0; sent < gigabyte; sent += piece.length) if (!response.write(piece)) await once(response, 'drain')
    response.end()
    return
  }
  let length = 0
  for await (const chunk of asked) {
    length += chunk.length
    if (delay > 0) await sleep(delay)
  }
  response.end(String(length))
})
upstream.server.on('upgrade', (_request, stream) => {
  stream.on('error', () => {})
  stream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
})

/** A chunked upload of so many bytes, no faster than it is taken. @returns what the upstream has counted */
async function upload(to: Gateway, length: number): Promise<number> {
  const asked = request(`${to.url}/_bulk`, { method: 'POST', headers: bob })
  const responded = once(asked, 'response') as Promise<[IncomingMessage]>
  for (let sent = 0; sent < length; sent += piece.length) if (!asked.write(piece)) await once(asked, 'drain')
  asked.end()
  const [message] = await responded
  let text = ''
  for await (const chunk of message) text += chunk
  return Number(text)
}

test('SIGTERM during a download of 1 GB and 200 WebSockets: these close, that comes whole, exit 0', async () => {
  const gateway = await startProxy(upstream.url, { flags: { shutdown_timeout: '5m' } })
  const words = ['Host: es', 'Remote-User: bob', 'Connection: Upgrade', 'Upgrade: websocket', '', '']
  const tunnels = Array.from({ length: 200 }, () => openRaw(portOf(gateway)))
  for (const { send } of tunnels) send(['GET /ws HTTP/1.1', ...words].join('\r\n'))
  await Promise.all(tunnels.map(({ until }) => until(/101 /)))
  const [message] = (await once(get(`${gateway.url}/scroll`, { headers: bob }), 'response')) as [IncomingMessage]
  await once(message, 'readable')

  const stopped = gateway.stop()
  await Promise.all(tunnels.map(({ closed }) => closed))
  assert.equal(gateway.process.exitCode, null)
  await assert.rejects(fetch(gateway.url, { headers: bob }), 'nobody new is let in')
  let length = 0
  for await (const chunk of message) length += chunk.length
  assert.equal(length, gigabyte)
  assert.equal(await stopped, 0)
})

const hasProc = existsSync('/proc/self/status')

test('100 MB in chunks to an upstream that reads slowly: less than 64 MB of memory', { skip: !hasProc }, async () => {
  const gateway = await startProxy(upstream.url)
  assert.equal(await upload(gateway, 10 * megabyte), 10 * megabyte)
  const before = residentMegabytes(gateway.process.pid!)
  const most = trackPeakResidentMegabytes(gateway.process.pid!)
  delay = 1
  assert.equal(await upload(gateway, bulk), bulk)
  const more = most() - before
  delay = 0
  assert.ok(more < 64, `${more} MB more`)
})

/** 400 is the full run: Node by itself would cut an upload after 300 s. */
const seconds = Number(process.env.UPLOAD_SECONDS ?? 3)

test(`an upload of ${seconds} s, a byte at a time, is never too long`, async () => {
  const gateway = await startProxy(upstream.url, { flags: { 'proxy.timeout': '2s' } })
  const asked = request(`${gateway.url}/_bulk`, { method: 'POST', headers: bob })
  const responded = once(asked, 'response') as Promise<[IncomingMessage]>
  for (let i = 0; i < seconds * 5; i++) {
    asked.write('x')
    await sleep(200)
  }
  asked.end()
  const [message] = await responded
  assert.equal(message.statusCode, 200)
  assert.equal(String(await once(message, 'data')), String(seconds * 5))
})

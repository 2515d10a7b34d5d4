/**
 * Proxy mode with many responses that do not end: the memory of each, compared with a bare dispatch loop without
 * authentication, and the latency of a single byte.
 * Linux, after `npm run build`. `node bench/proxy-streams.ts [streams] [bytes]`
 */
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentMegabytes } from '../test/support/resident-memory.ts'
import { median } from './load.ts'
import { proxyFlags, type Running, startElastauth, startServer } from './programs.ts'

const streams = Number(process.argv[2] ?? 5000)
const bytes = Number(process.argv[3] ?? 500)
const agent = new Agent({ keepAlive: false })
const headers = { 'Remote-User': 'testuser' }

await measureIdleStreams()
await measureBytes()
process.exit(0)

async function measureIdleStreams(): Promise<void> {
  await using cleanup = new AsyncDisposableStack()
  const upstream = await startServer({ cleanup }, 'open', '', { isLoad: true })
  for (const start of [
    () => startServer({ cleanup }, 'bare undici.dispatch', upstream.url),
    () => startGateway(cleanup, upstream),
  ]) {
    const { name, url, pid, stop } = await start()
    const before = residentMegabytes(pid)
    const messages: IncomingMessage[] = []
    while (messages.length < streams) {
      const opened = Array.from({ length: Math.min(100, streams - messages.length) }, () => open(url))
      messages.push(...(await Promise.all(opened)))
    }
    await sleep(5000)
    const after = residentMegabytes(pid)
    const each = ((after - before) * 1024) / streams
    console.log(
      `${streams} idle streams, ${name}: ${after.toFixed(0)} MB resident (${before.toFixed(0)} before, ${each.toFixed(1)} kB each)`,
    )
    await stop()
  }
}

/** Each byte is sent after the previous one has arrived and a pause in which buffers are flushed. */
async function measureBytes(): Promise<void> {
  const { promise: received, resolve } = Promise.withResolvers<ServerResponse>()
  const upstream = createServer((_, response) => resolve(response)).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  await using cleanup = new AsyncDisposableStack()
  const gateway = await startGateway(cleanup, { url: `http://127.0.0.1:${port}` })
  const opened = open(gateway.url)
  const source = await received
  source.write('.')
  const message = await opened
  const latencies: number[] = []
  for (let i = 0; i < bytes; i++) {
    await sleep(5)
    const sentAt = performance.now()
    source.write('x')
    await once(message, 'data')
    latencies.push(performance.now() - sentAt)
  }
  console.log(
    `latency of one byte: ${median(latencies).toFixed(2)} ms, ${Math.max(...latencies).toFixed(2)} ms maximum, of ${bytes} bytes`,
  )
}

function startGateway(cleanup: AsyncDisposableStack, upstream: Pick<Running, 'url'>): Promise<Running> {
  return startElastauth({ cleanup }, proxyFlags(upstream, { log_level: 'error' }))
}

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (message) => {
      message.once('data', () => resolve(message))
      message.on('error', () => {})
    }).on('error', reject)
  })
}

/** Proxy mode with responses that do not end: the memory of many idle streams, and the latency of a single byte. */
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentMegabytes } from '../test/support/resident-memory.ts'
import type { Bench, Case, Figures, Program } from './harness.ts'
import { dispatch, proxyFlags, quiet, quietName, type Running, startElastauth, startServer } from './programs.ts'
import { identity, percentile } from './requests.ts'

const resident = 'resident memory, MB'
const latency = 'latency of one byte, median, ms'
const agent = new Agent({ keepAlive: false })

export const streamCases: readonly Case[] = [
  { name: 'streams', title: 'Proxy mode, 5,000 idle streams', rounds: 3, hasNoWarmUp: true, prepare: prepareIdle },
  { name: 'one-byte', title: 'Proxy mode, one byte of a stream', prepare: prepareBytes },
]

async function prepareIdle(bench: Bench): Promise<Program[]> {
  const upstream = await startServer(bench, 'open', '', { isLoad: true })
  return [
    { name: dispatch, measure: () => measureIdle(bench, (one) => startServer(one, dispatch, upstream.url)) },
    {
      name: quietName,
      measure: () => measureIdle(bench, (one) => startElastauth(one, proxyFlags(upstream, quiet))),
      goals: [{ metric: resident, to: dispatch, atMost: 1 }],
    },
  ]
}

async function measureIdle(
  { size }: Bench,
  start: (bench: Pick<Bench, 'cleanup'>) => Promise<Running>,
): Promise<Figures> {
  await using cleanup = new AsyncDisposableStack()
  const { url, pid } = await start({ cleanup })
  const before = residentMegabytes(pid)
  const count = size(5000, 100)
  for (let opened = 0; opened < count; opened += 100) await Promise.all(Array.from({ length: 100 }, () => open(url)))
  await sleep(size(5000, 100))
  const after = residentMegabytes(pid)
  return { [resident]: after, 'resident memory per stream, kB': ((after - before) * 1024) / count }
}

async function prepareBytes(bench: Bench): Promise<Program[]> {
  const upstream = createServer().listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  bench.cleanup.defer(() => upstream.closeAllConnections())
  bench.cleanup.defer(() => void upstream.close())
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const bare = await startServer(bench, dispatch, url)
  const elastauth = await startElastauth(bench, proxyFlags({ url }, quiet))

  /** Each byte is sent after the previous one has arrived and a pause in which buffers are flushed. */
  async function measure(one: Running): Promise<Figures> {
    const received = once(upstream, 'request') as Promise<[IncomingMessage, ServerResponse]>
    const opened = open(one.url)
    const [, source] = await received
    source.write('.')
    const message = await opened
    const latencies: number[] = []
    for (let i = 0; i < bench.size(500, 5); i++) {
      await sleep(5)
      const sentAt = performance.now()
      source.write('x')
      await once(message, 'data')
      latencies.push(performance.now() - sentAt)
    }
    message.destroy()
    return { [latency]: percentile(latencies, 0.5), 'latency of one byte, maximum, ms': Math.max(...latencies) }
  }

  return [
    { name: dispatch, measure: () => measure(bare) },
    { name: quietName, measure: () => measure(elastauth), goals: [{ metric: latency, atMost: 20 }] },
  ]
}

/** @returns a response whose first data have arrived, and which is read until its connection ends */
function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: identity }, (message) => {
      if (message.statusCode !== 200) reject(new Error(`status ${message.statusCode} from ${url}`))
      message.once('data', () => resolve(message))
      message.on('error', () => {}) // the program ends before its streams
    }).on('error', reject)
  })
}

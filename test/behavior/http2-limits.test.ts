import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import {
  type FrameConnection,
  frame,
  frameTypes,
  openFrames,
  requestFields,
  requestFrame,
  uint32,
} from '../support/http2-frames.ts'
import { tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'

const maxConcurrentStreams = 3
const acknowledgement = 1
const refused = 7

/** Answers only /quick. */
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') response.end('ok')
})
const gateway = await startProxy(upstream.url, { flags: tlsFlags() })
const bob = ['remote-user', 'bob'] as const
const large = ['x-large', 'x'.repeat(15_000)] as const
const eightKilobytes = ['x-large', 'x'.repeat(8 * 1024)] as const

const connections: FrameConnection[] = []
after(() => {
  for (const connection of connections) connection.destroy()
})

async function open(): Promise<FrameConnection> {
  const connection = await openFrames(portOf(gateway))
  connections.push(connection)
  await connection.until(({ type, flags }) => type === frameTypes.settings && flags === 0)
  return connection
}

const acknowledge = (connection: FrameConnection) => connection.send(frame('settings', { flags: acknowledgement }))

/** The announced values of MAX_CONCURRENT_STREAMS, in order. */
function toldStreams({ received }: FrameConnection): number[] {
  const settings = received.filter(({ type, flags }) => type === frameTypes.settings && flags === 0)
  return settings.flatMap(({ payload }) => {
    const values: number[] = []
    for (let i = 0; i < payload.length; i += 6)
      if (payload.readUInt16BE(i) === maxConcurrentStreams) values.push(payload.readUInt32BE(i + 2))
    return values
  })
}

function refusedStreams({ received }: FrameConnection): number[] {
  return received
    .filter(({ type, payload }) => type === frameTypes.reset && payload.readUInt32BE(0) === refused)
    .map(({ stream }) => stream)
}

/** When the response arrives, all frames sent before have been read. */
async function ping(connection: FrameConnection): Promise<void> {
  const count = () => connection.received.filter(({ type }) => type === frameTypes.ping).length
  const before = count()
  await connection.send(frame('ping', { payload: Buffer.alloc(8) }))
  await connection.until(() => count() > before)
}

async function isAnswered(connection: FrameConnection, stream: number): Promise<void> {
  await connection.until(({ type, stream: id }) => type === frameTypes.headers && id === stream)
}

async function authenticate(connection: FrameConnection, stream: number): Promise<void> {
  await connection.send(requestFrame(stream, requestFields({ ':path': '/quick' }, bob)))
  await isAnswered(connection, stream)
}

async function sendMany(
  connection: FrameConnection,
  from: number,
  count: number,
  ...headers: (readonly [string, string])[]
) {
  const streams = Array.from({ length: count }, (_, i) => from + 2 * i)
  for (const stream of streams)
    await connection.send(requestFrame(stream, requestFields({ ':path': '/slow' }, ...headers)))
  await ping(connection)
  return streams
}

describe('an HTTP/2 connection that has not authenticated a user', () => {
  test('may have 8 streams, and a ninth is refused', async () => {
    const connection = await open()
    assert.deepEqual(toldStreams(connection), [8])
    const streams = await sendMany(connection, 1, 9, bob)
    assert.deepEqual(refusedStreams(connection), streams.slice(8))
  })

  test('does not get more streams for a request that is rejected', async () => {
    const connection = await open()
    await acknowledge(connection)
    await connection.send(requestFrame(1, requestFields()))
    await isAnswered(connection, 1)
    await ping(connection)
    assert.deepEqual(toldStreams(connection), [8])
  })

  test('may hold 64 KiB of headers in all its streams, and a stream beyond that is refused', async () => {
    const connection = await open()
    const streams = await sendMany(connection, 1, 8, bob, large)
    assert.deepEqual(refusedStreams(connection), streams.slice(4))
    for (const stream of streams.slice(0, 4)) await connection.send(frame('reset', { stream, payload: uint32(8) }))
    await ping(connection)
    const [next] = await sendMany(connection, 17, 1, bob, large)
    assert.ok(!refusedStreams(connection).includes(next!), 'a stream that has closed makes room')
  })

  test('may have one header list of the maximum size', async () => {
    const connection = await open()
    await connection.send(requestFrame(1, requestFields({ ':path': '/quick' }, bob, ['x-large', 'x'.repeat(16_000)])))
    await isAnswered(connection, 1)
  })
})

describe('an HTTP/2 connection that has authenticated a user', () => {
  test('may have 100 streams once it has acknowledged the first limits', async () => {
    const connection = await open()
    await authenticate(connection, 1)
    assert.deepEqual(toldStreams(connection), [8])
    await acknowledge(connection)
    await connection.until(() => toldStreams(connection).length === 2)
    assert.deepEqual(toldStreams(connection), [8, 100])
    await acknowledge(connection)
    const streams = await sendMany(connection, 3, 100, bob)
    assert.deepEqual(refusedStreams(connection), [])
    assert.equal(streams.length, 100)
  })

  test('may hold 512 KiB of headers in all its streams', async () => {
    const connection = await open()
    await acknowledge(connection)
    await authenticate(connection, 1)
    await connection.until(() => toldStreams(connection).length === 2)
    await acknowledge(connection)
    const streams = await sendMany(connection, 3, 70, bob, eightKilobytes)
    assert.deepEqual(refusedStreams(connection), streams.slice(62))
  })

  test('has the first limits again when it has been idle for a while, and more from its next authenticated request on', {
    timeout: 60_000,
  }, async () => {
    const connection = await open()
    await acknowledge(connection)
    await authenticate(connection, 1)
    await connection.until(() => toldStreams(connection).length === 3)
    await acknowledge(connection)
    await acknowledge(connection)
    await authenticate(connection, 3)
    await connection.until(() => toldStreams(connection).length === 4)
    assert.deepEqual(toldStreams(connection), [8, 100, 8, 100])
  })
})

test('40 idle HTTP/2 connections of known users leave room for others in a heap of 128 MB', async () => {
  const { url } = await startProxy(upstream.url, {
    flags: tlsFlags(),
    nodeArguments: ['--max-old-space-size=128'],
  })
  for (let i = 0; i < 41; i++) {
    const connection = await openFrames(Number(new URL(url).port))
    connections.push(connection)
    await connection.until(({ type, flags }) => type === frameTypes.settings && flags === 0)
    await acknowledge(connection)
    await authenticate(connection, 1)
  }
})

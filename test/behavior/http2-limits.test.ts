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

const maxConcurrentStreamsId = 3
const acknowledgementFlag = 1
const refusedStreamCode = 7

/** Responds only to /quick. */
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') response.end('ok')
})
const gateway = await startProxy(upstream.url, { flags: tlsFlags() })
const bob = ['remote-user', 'bob'] as const
const fifteenKilobytes = ['x-large', 'x'.repeat(15_000)] as const
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

const acknowledge = (connection: FrameConnection) => connection.send(frame('settings', { flags: acknowledgementFlag }))

/** The announced values of MAX_CONCURRENT_STREAMS, in order. */
function announcedLimits({ received }: FrameConnection): number[] {
  const settings = received.filter(({ type, flags }) => type === frameTypes.settings && flags === 0)
  return settings.flatMap(({ payload }) => {
    const values: number[] = []
    for (let i = 0; i < payload.length; i += 6)
      if (payload.readUInt16BE(i) === maxConcurrentStreamsId) values.push(payload.readUInt32BE(i + 2))
    return values
  })
}

function refusedStreams({ received }: FrameConnection): number[] {
  return received
    .filter(({ type, payload }) => type === frameTypes.reset && payload.readUInt32BE(0) === refusedStreamCode)
    .map(({ stream }) => stream)
}

/** When the acknowledgement arrives, the server has read all frames sent before. */
async function ping(connection: FrameConnection): Promise<void> {
  const count = () => connection.received.filter(({ type }) => type === frameTypes.ping).length
  const before = count()
  await connection.send(frame('ping', { payload: Buffer.alloc(8) }))
  await connection.until(() => count() > before)
}

async function waitForResponse(connection: FrameConnection, stream: number): Promise<void> {
  await connection.until(({ type, stream: id }) => type === frameTypes.headers && id === stream)
}

async function authenticate(connection: FrameConnection, stream: number): Promise<void> {
  await connection.send(requestFrame(stream, requestFields({ ':path': '/quick' }, bob)))
  await waitForResponse(connection, stream)
}

async function sendRequests(
  connection: FrameConnection,
  firstStream: number,
  count: number,
  ...headers: (readonly [string, string])[]
) {
  const streams = Array.from({ length: count }, (_, i) => firstStream + 2 * i)
  for (const stream of streams)
    await connection.send(requestFrame(stream, requestFields({ ':path': '/slow' }, ...headers)))
  await ping(connection)
  return streams
}

describe('the HTTP/2 limits before authentication', () => {
  test('an unauthenticated HTTP/2 connection may have 8 streams, and a ninth is rejected with REFUSED_STREAM', async () => {
    const connection = await open()
    assert.deepEqual(announcedLimits(connection), [8])
    const streams = await sendRequests(connection, 1, 9, bob)
    assert.deepEqual(refusedStreams(connection), streams.slice(8))
  })

  test('a rejected request does not raise the HTTP/2 stream limit', async () => {
    const connection = await open()
    await acknowledge(connection)
    await connection.send(requestFrame(1, requestFields()))
    await waitForResponse(connection, 1)
    await ping(connection)
    assert.deepEqual(announcedLimits(connection), [8])
  })

  test('an unauthenticated HTTP/2 connection may have 64 KiB of headers in all its streams, and a stream beyond that is rejected', async () => {
    const connection = await open()
    const streams = await sendRequests(connection, 1, 8, bob, fifteenKilobytes)
    assert.deepEqual(refusedStreams(connection), streams.slice(4))
    for (const stream of streams.slice(0, 4)) await connection.send(frame('reset', { stream, payload: uint32(8) }))
    await ping(connection)
    const [next] = await sendRequests(connection, 17, 1, bob, fifteenKilobytes)
    assert.ok(!refusedStreams(connection).includes(next!), 'a closed stream makes room')
  })

  test('an unauthenticated HTTP/2 connection may send one header list of the maximum size', async () => {
    const connection = await open()
    await connection.send(requestFrame(1, requestFields({ ':path': '/quick' }, bob, ['x-large', 'x'.repeat(16_000)])))
    await waitForResponse(connection, 1)
  })
})

describe('the HTTP/2 limits after authentication', () => {
  test('an authenticated HTTP/2 connection may have 100 streams once it has acknowledged the initial limit', async () => {
    const connection = await open()
    await authenticate(connection, 1)
    assert.deepEqual(announcedLimits(connection), [8])
    await acknowledge(connection)
    await connection.until(() => announcedLimits(connection).length === 2)
    assert.deepEqual(announcedLimits(connection), [8, 100])
    await acknowledge(connection)
    const streams = await sendRequests(connection, 3, 100, bob)
    assert.deepEqual(refusedStreams(connection), [])
    assert.equal(streams.length, 100)
  })

  test('an authenticated HTTP/2 connection may have 512 KiB of headers in all its streams', async () => {
    const connection = await open()
    await acknowledge(connection)
    await authenticate(connection, 1)
    await connection.until(() => announcedLimits(connection).length === 2)
    await acknowledge(connection)
    const streams = await sendRequests(connection, 3, 70, bob, eightKilobytes)
    assert.deepEqual(refusedStreams(connection), streams.slice(62))
  })

  test('an idle HTTP/2 connection returns to the initial limit, and gets the higher limit again with its next authenticated request', async () => {
    const connection = await open()
    await acknowledge(connection)
    await authenticate(connection, 1)
    await connection.until(() => announcedLimits(connection).length === 3)
    await acknowledge(connection)
    await acknowledge(connection)
    await authenticate(connection, 3)
    await connection.until(() => announcedLimits(connection).length === 4)
    assert.deepEqual(announcedLimits(connection), [8, 100, 8, 100])
  })
})

test('40 idle HTTP/2 connections of authenticated users leave room for another connection in a heap of 128 MB', async () => {
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

import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type FrameConnection,
  frame,
  headerBlock,
  openFrames,
  requestFields,
  requestFrame,
  responseOutcome,
  settingFrame,
  uint32,
} from '../support/http2-frames.ts'
import { residentMegabytes } from '../support/resident-memory.ts'
import { caFile, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'
import { curlStatus } from './curl.ts'

const initialWindowSize = 4
const chunk = Buffer.alloc(64 * 1024, 'x')
let openResponses = 0
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') return void response.end('ok')
  openResponses++
  response.once('close', () => openResponses--)
  const pump = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', pump)
  pump()
})
const gateway = await startProxy(upstream.url, { flags: tlsFlags() })
const bob = ['remote-user', 'bob'] as const
const connections: FrameConnection[] = []
after(() => {
  for (const connection of connections) connection.destroy()
})

async function open(settings?: Buffer): Promise<FrameConnection> {
  const connection = await openFrames(portOf(gateway), settings)
  connections.push(connection)
  return connection
}

const residentNow = () => residentMegabytes(gateway.process.pid!)

/** Sends frames repeatedly until the connection closes, or `maxTimes` is reached. @returns how many times it has sent them */
async function flood(connection: FrameConnection, maxTimes: number, frames: (i: number) => Buffer[]): Promise<number> {
  for (let i = 0; i < maxTimes; i++) {
    if (!connection.isOpen()) return i
    await connection.send(...frames(i))
    if (i % 50 === 0) await nextTurn()
  }
  return maxTimes
}

afterEach(async () => {
  assert.equal(await curlStatus('--cacert', caFile, '--http2', '-H', 'Remote-User: eve', `${gateway.url}/quick`), '200')
})

describe('an HTTP/2 flood closes its connection in bounded memory, and other clients are served', () => {
  const get = (path = '/') => requestFields({ ':path': path }, bob)
  const floods: [title: string, frames: (i: number) => Buffer[]][] = [
    [
      'rapid resets (CVE-2023-44487)',
      (i) => [requestFrame(2 * i + 1, get()), frame('reset', { stream: 2 * i + 1, payload: uint32(8) })],
    ],
    [
      'streams that the server has to reset',
      (i) => [requestFrame(2 * i + 1, get(), true), frame('windowUpdate', { stream: 2 * i + 1, payload: uint32(0) })],
    ],
    ['PING frames', () => [frame('ping', { payload: Buffer.alloc(8) })]],
    ['SETTINGS frames', () => [settingFrame(initialWindowSize, 65_535)]],
    ['empty SETTINGS frames', () => [frame('settings')]],
    [
      'CONTINUATION frames without an end',
      (i) => [
        frame(i === 0 ? 'headers' : 'continuation', { stream: 1, payload: headerBlock([[`x${i}`, 'y'.repeat(1000)]]) }),
      ],
    ],
    [
      'empty CONTINUATION frames',
      (i) => [
        frame(i === 0 ? 'headers' : 'continuation', {
          stream: 1,
          payload: i === 0 ? headerBlock(get()) : Buffer.alloc(0),
        }),
      ],
    ],
    [
      'empty DATA frames',
      (i) =>
        i === 0 ? [requestFrame(1, requestFields({ ':method': 'POST' }, bob), true)] : [frame('data', { stream: 1 })],
    ],
    ['requests on a closed stream', (i) => [requestFrame(i === 0 ? 3 : 1, get('/quick'))]],
  ]
  for (const [title, frames] of floods) {
    for (const isReading of [true, false]) {
      test(`a flood of ${title} closes the connection${isReading ? '' : ', even if the client reads nothing'}`, async () => {
        const before = residentNow()
        const connection = await open()
        if (!isReading) connection.pause()
        // For a client that reads: far more than the sockets' buffers of two busy processes hold.
        const maxTimes = isReading ? 400_000 : 20_000
        const sent = await flood(connection, maxTimes, frames)
        connection.resume() // a paused socket does not emit `close`
        await connection.closed
        assert.ok(!isReading || sent < maxTimes, 'everything was accepted')
        assert.ok(residentNow() - before < 64, `${Math.round(residentNow() - before)} MB more`)
      })
    }
  }
})

describe('an HTTP/2 client with a window of 0', () => {
  test('an HTTP/2 client with a window of 0 can open at most 100 streams, and occupies at most one window for each stream', async () => {
    const before = residentNow()
    const connection = await open(settingFrame(initialWindowSize, 0))
    for (let i = 0; i < 120; i++) connection.send(requestFrame(2 * i + 1, requestFields({}, bob)))
    for (let i = 100; i < 120; i++) assert.match(await responseOutcome(connection, 2 * i + 1), /^reset 7$/) // REFUSED_STREAM
    assert.ok(connection.isOpen())
    assert.ok(openResponses <= 100)
    assert.ok(residentNow() - before < 96, `${Math.round(residentNow() - before)} MB more`)
    connection.destroy()
  })

  test('closes the upstream requests of an HTTP/2 client with a window of 0 after the client disconnects', async () => {
    while (openResponses > 0) await nextTurn()
  })
})

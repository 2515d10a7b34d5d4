import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
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
let open = 0
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') return void response.end('ok')
  open++
  response.once('close', () => open--)
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

async function attack(settings?: Buffer): Promise<FrameConnection> {
  const connection = await openFrames(portOf(gateway), settings)
  connections.push(connection)
  return connection
}

const memory = () => residentMegabytes(gateway.process.pid!)

/** Sends until the connection is closed, or it was as often as given. @returns how often it was */
async function flood(connection: FrameConnection, times: number, frames: (i: number) => Buffer[]): Promise<number> {
  for (let i = 0; i < times; i++) {
    if (!connection.isOpen()) return i
    await connection.send(...frames(i))
    if (i % 50 === 0) await turn()
  }
  return times
}

afterEach(async () => {
  assert.equal(await curlStatus('--cacert', caFile, '--http2', '-H', 'Remote-User: eve', `${gateway.url}/quick`), '200')
})

describe('closes the connection, in bounded memory, and serves the others:', () => {
  const get = (path = '/') => requestFields({ ':path': path }, bob)
  const floods: [what: string, frames: (i: number) => Buffer[]][] = [
    ['rapid reset', (i) => [requestFrame(2 * i + 1, get()), frame('reset', { stream: 2 * i + 1, payload: uint32(8) })]],
    [
      'streams that we are made to reset',
      (i) => [requestFrame(2 * i + 1, get(), true), frame('windowUpdate', { stream: 2 * i + 1, payload: uint32(0) })],
    ],
    ['PING', () => [frame('ping', { payload: Buffer.alloc(8) })]],
    ['SETTINGS', () => [settingFrame(initialWindowSize, 65_535)]],
    ['SETTINGS that say nothing', () => [frame('settings')]],
    [
      'CONTINUATION without an end',
      (i) => [
        frame(i === 0 ? 'headers' : 'continuation', { stream: 1, payload: headerBlock([[`x${i}`, 'y'.repeat(1000)]]) }),
      ],
    ],
    [
      'CONTINUATION of nothing',
      (i) => [
        frame(i === 0 ? 'headers' : 'continuation', {
          stream: 1,
          payload: i === 0 ? headerBlock(get()) : Buffer.alloc(0),
        }),
      ],
    ],
    [
      'DATA of nothing',
      (i) =>
        i === 0 ? [requestFrame(1, requestFields({ ':method': 'POST' }, bob), true)] : [frame('data', { stream: 1 })],
    ],
    ['a request on a stream that is over', (i) => [requestFrame(i === 0 ? 3 : 1, get('/quick'))]],
  ]
  for (const [what, frames] of floods) {
    for (const isReading of [true, false]) {
      test(`${what}${isReading ? '' : ', with nothing read of what we say to it'}`, async () => {
        const before = memory()
        const connection = await attack()
        if (!isReading) connection.pause()
        // Of a reader all is taken in vain: far more than lies between two busy processes in the sockets' buffers.
        const most = isReading ? 400_000 : 20_000
        const sent = await flood(connection, most, frames)
        connection.resume() // who is paused does not hear of the end
        await connection.closed
        assert.ok(!isReading || sent < most, 'all of it was taken')
        assert.ok(memory() - before < 64, `${Math.round(memory() - before)} MB more`)
      })
    }
  }
})

describe('a client that takes nothing', () => {
  test('holds a hundred streams at the most, and of each no more than a window', async () => {
    const before = memory()
    const connection = await attack(settingFrame(initialWindowSize, 0))
    for (let i = 0; i < 120; i++) connection.send(requestFrame(2 * i + 1, requestFields({}, bob)))
    for (let i = 100; i < 120; i++) assert.match(await responseOutcome(connection, 2 * i + 1), /^reset 7$/) // REFUSED_STREAM
    assert.ok(connection.isOpen())
    assert.ok(open <= 100)
    assert.ok(memory() - before < 96, `${Math.round(memory() - before)} MB more`)
    connection.destroy()
  })

  test('and leaves, leaves nothing behind: every upstream’s connection is closed', async () => {
    while (open > 0) await turn()
  })
})

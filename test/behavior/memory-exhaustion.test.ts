import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../support/gateway.ts'
import {
  type FrameConnection,
  frame,
  openFrames,
  requestFields,
  requestFrame,
  settingFrame,
} from '../support/http2-frames.ts'
import { openRaw } from '../support/raw-http.ts'
import { caFile, tlsFlags } from '../support/tls-files.ts'
import { portOf, startProxy, startUpstream } from '../support/upstream.ts'
import { curlStatus } from './curl.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()

/** Answers only /quick. */
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') response.end('ok')
})
upstream.server.maxHeadersCount = 1000

/** More requests than Node reads at once, with responses that exceed the kernel's buffers. */
const burst = (head: string) => Buffer.from(head.repeat(Math.ceil((256 * 1024) / head.length)), 'latin1')
const distinct = Array.from({ length: 480 }, (_, i) => `x${i}:${i}y\r\n`).join('')

const anonymousFloods: [what: string, bytes: Buffer][] = [
  ['requests for error pages', burst('GET / HTTP/1.1\r\nHost: es\r\nAccept: text/html\r\n\r\n')],
  ['many headers', burst(`GET / HTTP/1.1\r\nHost: es\r\n${distinct}\r\n`)],
]

const userFloods: [what: string, bytes: Buffer][] = [
  ['tiny requests behind a slow response', burst('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')],
  ['many headers behind a slow response', burst(`GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n${distinct}\r\n`)],
]

/** Opens connections that send all of that and read nothing, until one is not accepted. */
async function flood(gateway: Gateway, bytes: Buffer, connections: number): Promise<() => void> {
  const sockets: Socket[] = []
  while (sockets.length < connections) {
    // No more at once than the accept queue holds (511): the kernel resets further ones.
    const some = Array.from({ length: 100 }, () => openRaw(portOf(gateway)).socket.pause())
    await Promise.all(some.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
    for (const socket of some) socket.write(bytes)
    sockets.push(...some)
    await sleep(50) // the kernel's buffers are full by now, or empty
  }
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

/** How many connections the heap has room for, according to the gateway's log. */
async function affordable(gateway: Gateway): Promise<number> {
  const { message } = await gateway.logged((line) => line.message?.startsWith('max_connections is ') ?? false)
  return Number(/enough for (\d+)/.exec(message!)![1])
}

async function isServed(gateway: Gateway, path: string, ...flags: string[]): Promise<void> {
  // Closed connections may still be counted.
  while (gateway.process.exitCode === null && gateway.process.signalCode === null) {
    if ((await curlStatus(...flags, '-H', 'Remote-User: eve', `${gateway.url}${path}`)) === '200') return
    await sleep(50)
  }
  assert.fail(`the gateway ended: ${gateway.output().slice(-2000)}`)
}

for (const heap of [128, 256, 512]) {
  const nodeArguments = [`--max-old-space-size=${heap}`]

  describe(`with a heap of ${heap} MB, all accepted connections send as much as they can and read nothing:`, () => {
    test('auth-only mode survives, and serves a user afterwards', { timeout: 300_000 }, async () => {
      const gateway = await start({ nodeArguments, flags: { log_level: 'info' } })
      const most = await affordable(gateway)
      for (const [, bytes] of anonymousFloods) {
        const leave = await flood(gateway, bytes, most)
        leave()
        await isServed(gateway, '/')
      }
    })

    test('proxy mode survives, and serves a user afterwards', { timeout: 300_000 }, async () => {
      const gateway = await startProxy(upstream.url, { nodeArguments })
      const most = await affordable(gateway)
      for (const [, bytes] of userFloods) {
        const leave = await flood(gateway, bytes, most)
        leave()
        await isServed(gateway, '/quick')
      }
    })
  })
}

describe('with a heap of 128 MB, HTTP/2 connections with large heads and a window of 0:', () => {
  const nodeArguments = ['--max-old-space-size=128']
  const initialWindowSize = 4
  const endStream = 1
  const endHeaders = 4

  /** A request with 54 KB of headers, in several frames. */
  function largeRequest(stream: number, user: readonly (readonly [string, string])[]): Buffer[] {
    const headers = Array.from({ length: 54 }, (_, i) => [`x${i}`, `${i}${'y'.repeat(1000)}`] as const)
    const block = requestFrame(stream, requestFields({}, ...user, ...headers)).subarray(9)
    const pieces: Buffer[] = []
    for (let at = 0; at < block.length; at += 16_384) pieces.push(block.subarray(at, at + 16_384))
    return pieces.map((payload, i) => {
      const flags = (i === 0 ? endStream : 0) | (i === pieces.length - 1 ? endHeaders : 0)
      return frame(i === 0 ? 'headers' : 'continuation', { stream, flags, payload })
    })
  }

  async function floodHttp2(
    gateway: Gateway,
    user: readonly (readonly [string, string])[],
  ): Promise<FrameConnection[]> {
    const connections: FrameConnection[] = []
    for (;;) {
      const opened = await openFrames(portOf(gateway), settingFrame(initialWindowSize, 0)).catch(() => undefined)
      if (opened === undefined) return connections
      connections.push(opened)
      for (let i = 0; i < 12; i++) await opened.send(...largeRequest(2 * i + 1, user))
    }
  }

  for (const [mode, run] of [
    ['auth-only', () => start({ nodeArguments, flags: tlsFlags() })],
    ['proxy', () => startProxy(upstream.url, { nodeArguments, flags: tlsFlags() })],
  ] as const) {
    test(`${mode} mode lets in half as many as of HTTP/1.1, survives, and serves a user afterwards`, {
      timeout: 300_000,
    }, async () => {
      const gateway = await run()
      const most = await affordable(gateway)
      const connections = await floodHttp2(gateway, mode === 'proxy' ? [['remote-user', 'bob']] : [])
      assert.ok(connections.length > 0 && connections.length <= most, `${connections.length} of ${most}`)
      for (const connection of connections) connection.destroy()
      await isServed(gateway, mode === 'proxy' ? '/quick' : '/', '--cacert', caFile)
    })
  }
})

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

/** Responds only to /quick. */
const upstream = await startUpstream(({ url }, response) => {
  if (url === '/quick') response.end('ok')
})
upstream.server.maxHeadersCount = 1000

/** More requests than Node reads at once, with responses that exceed the kernel's buffers. */
const repeatRequest = (head: string) => Buffer.from(head.repeat(Math.ceil((256 * 1024) / head.length)), 'latin1')
const distinctHeaders = Array.from({ length: 480 }, (_, i) => `x${i}:${i}y\r\n`).join('')

const anonymousFloods: [name: string, bytes: Buffer][] = [
  ['requests for error pages', repeatRequest('GET / HTTP/1.1\r\nHost: es\r\nAccept: text/html\r\n\r\n')],
  ['many headers', repeatRequest(`GET / HTTP/1.1\r\nHost: es\r\n${distinctHeaders}\r\n`)],
]

const userFloods: [name: string, bytes: Buffer][] = [
  ['tiny requests behind a slow response', repeatRequest('GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n\r\n')],
  [
    'many headers behind a slow response',
    repeatRequest(`GET / HTTP/1.1\r\nHost: es\r\nRemote-User: bob\r\n${distinctHeaders}\r\n`),
  ],
]

/** Opens connections that send these bytes and read nothing. @returns a function that closes them */
async function flood(gateway: Gateway, bytes: Buffer, connections: number): Promise<() => void> {
  const sockets: Socket[] = []
  while (sockets.length < connections) {
    // The kernel resets connections that exceed the accept queue (511).
    const batch = Array.from({ length: 100 }, () => openRaw(portOf(gateway)).socket.pause())
    await Promise.all(batch.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
    for (const socket of batch) socket.write(bytes)
    sockets.push(...batch)
    await sleep(50) // by now the kernel's buffers are full, or elastauth has read them
  }
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

/** The number of connections for which the heap has room, according to the gateway's log. */
async function readConnectionBudget(gateway: Gateway): Promise<number> {
  const { message } = await gateway.logged((line) => line.message?.startsWith('max_connections is ') ?? false)
  return Number(/enough for (\d+)/.exec(message!)![1])
}

async function waitUntilServed(gateway: Gateway, path: string, ...flags: string[]): Promise<void> {
  // Connections that have closed may still be counted.
  while (gateway.process.exitCode === null && gateway.process.signalCode === null) {
    if ((await curlStatus(...flags, '-H', 'Remote-User: eve', `${gateway.url}${path}`)) === '200') return
    await sleep(50)
  }
  assert.fail(`the gateway ended: ${gateway.output().slice(-2000)}`)
}

for (const heap of [128, 256, 512]) {
  const nodeArguments = [`--max-old-space-size=${heap}`]

  describe(`a flood on all accepted connections, whose clients read nothing, with a heap of ${heap} MB`, () => {
    test(`auth-only mode with a heap of ${heap} MB survives a flood of clients that read nothing, and serves a user afterwards`, {
      timeout: 300_000,
    }, async () => {
      const gateway = await start({ nodeArguments, flags: { log_level: 'debug' } })
      const budget = await readConnectionBudget(gateway)
      for (const [, bytes] of anonymousFloods) {
        const disconnect = await flood(gateway, bytes, budget)
        disconnect()
        await waitUntilServed(gateway, '/')
      }
    })

    test(`proxy mode with a heap of ${heap} MB survives a flood of clients that read nothing, and serves a user afterwards`, {
      timeout: 300_000,
    }, async () => {
      const gateway = await startProxy(upstream.url, { nodeArguments })
      const budget = await readConnectionBudget(gateway)
      for (const [, bytes] of userFloods) {
        const disconnect = await flood(gateway, bytes, budget)
        disconnect()
        await waitUntilServed(gateway, '/quick')
      }
    })
  })
}

describe('a flood of HTTP/2 connections with large headers and a window of 0, with a heap of 128 MB', () => {
  const nodeArguments = ['--max-old-space-size=128']
  const initialWindowSizeId = 4
  const endStreamFlag = 1
  const endHeadersFlag = 4

  /** A request with 54 KB of headers, in several frames. */
  function largeRequest(stream: number, user: readonly (readonly [string, string])[]): Buffer[] {
    const headers = Array.from({ length: 54 }, (_, i) => [`x${i}`, `${i}${'y'.repeat(1000)}`] as const)
    const block = requestFrame(stream, requestFields({}, ...user, ...headers)).subarray(9)
    const payloads: Buffer[] = []
    for (let start = 0; start < block.length; start += 16_384) payloads.push(block.subarray(start, start + 16_384))
    return payloads.map((payload, i) => {
      const flags = (i === 0 ? endStreamFlag : 0) | (i === payloads.length - 1 ? endHeadersFlag : 0)
      return frame(i === 0 ? 'headers' : 'continuation', { stream, flags, payload })
    })
  }

  async function floodHttp2(
    gateway: Gateway,
    user: readonly (readonly [string, string])[],
  ): Promise<FrameConnection[]> {
    const connections: FrameConnection[] = []
    for (;;) {
      const opened = await openFrames(portOf(gateway), settingFrame(initialWindowSizeId, 0)).catch(() => undefined)
      if (opened === undefined) return connections
      connections.push(opened)
      for (let i = 0; i < 12; i++) await opened.send(...largeRequest(2 * i + 1, user))
    }
  }

  for (const [mode, run] of [
    ['auth-only', () => start({ nodeArguments, flags: tlsFlags() })],
    ['proxy', () => startProxy(upstream.url, { nodeArguments, flags: tlsFlags() })],
  ] as const) {
    test(`${mode} mode limits a flood of HTTP/2 connections with large headers to the connection budget, and serves a user afterwards`, {
      timeout: 300_000,
    }, async () => {
      const gateway = await run()
      const budget = await readConnectionBudget(gateway)
      const connections = await floodHttp2(gateway, mode === 'proxy' ? [['remote-user', 'bob']] : [])
      assert.ok(connections.length > 0 && connections.length <= budget, `${connections.length} of ${budget}`)
      for (const connection of connections) connection.destroy()
      await waitUntilServed(gateway, mode === 'proxy' ? '/quick' : '/', '--cacert', caFile)
    })
  }
})

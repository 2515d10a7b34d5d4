import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { after } from 'node:test'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
import { keepAlive } from './keep-alive.ts'
import { createSignal } from './wait.ts'

type RespondWith<Handler> = Readonly<{
  /** Replaces the handler until the current test ends. */
  respondWith: (handler: Handler) => void
}>

export type Upstream = Readonly<{ url: string; port: number; server: Server }> & RespondWith<RequestListener>

type OnHead = (socket: Socket, head: string) => void

export type UpstreamOptions = Readonly<{ host?: string; port?: number; tls?: ServerOptions }>

/** Starts an upstream server, which is closed after the tests of the file. */
export async function startUpstream(
  initialListener: RequestListener,
  { host = '127.0.0.1', port: requestedPort = 0, tls }: UpstreamOptions = {},
): Promise<Upstream> {
  const { handle: listener, respondWith } = createHandler(initialListener)
  const timeouts = { ...keepAlive, requestTimeout: 0 }
  const server = tls ? createHttpsServer({ ...timeouts, ...tls }, listener) : createHttpServer(timeouts, listener)
  server.listen(requestedPort, host)
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return Object.freeze({ url: `${tls ? 'https' : 'http'}://${authority}`, port, server, respondWith })
}

export type RawUpstream = Readonly<{
  url: string
  port: number
  /** Everything received on all connections, in order, as Latin-1. */
  received: () => string
  /** The number of connections that were opened. */
  connectionCount: () => number
  /** Resolves when what was received matches. */
  until: (pattern: RegExp) => Promise<string>
}> &
  RespondWith<OnHead>

/** Starts a TCP server, which is closed after the tests of the file. */
export async function startTcpUpstream(onConnection: (socket: Socket) => void): Promise<{ url: string; port: number }> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return Object.freeze({ url: `http://127.0.0.1:${port}`, port })
}

/** A TCP server that calls `onHead` for each complete request head, and responds with bytes that no HTTP library would send. */
export async function startRawUpstream(initialOnHead: OnHead = () => {}): Promise<RawUpstream> {
  const { handle: onHead, respondWith } = createHandler(initialOnHead)
  let text = ''
  let connectionCount = 0
  const { notify, waitFor } = createSignal()
  const { url, port } = await startTcpUpstream((socket) => {
    let pending = ''
    connectionCount++
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      pending += chunk.toString('latin1')
      notify()
      const end = pending.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = pending.slice(0, end + 4)
      pending = pending.slice(end + 4)
      onHead(socket, head)
    })
  })
  return Object.freeze({
    url,
    port,
    received: () => text,
    connectionCount: () => connectionCount,
    respondWith,
    until: async (pattern: RegExp) => (await waitFor(() => (pattern.test(text) ? text : undefined)))!,
  })
}

function createHandler<Arguments extends unknown[]>(initial: (...args: Arguments) => unknown) {
  let current = initial
  return {
    handle: (...args: Arguments) => void current(...args),
    respondWith(handler: (...args: Arguments) => unknown) {
      current = handler
      after(() => {
        current = initial
      })
    },
  }
}

/** Starts elastauth in proxy mode, without requests to Elasticsearch by default. It is stopped after the tests of the file. */
export async function startProxy(
  url: string | undefined,
  { flags, ...options }: GatewayOptions = {},
): Promise<Gateway> {
  const gateway = await startGateway({
    flags: {
      'proxy.enabled': 'true',
      ...(url !== undefined && { 'proxy.elasticsearch_url': url }),
      'elasticsearch.dry_run': 'true',
      default_roles: 'viewer',
      ...flags,
    },
    ...options,
  })
  after(() => gateway.stop())
  return gateway
}

export const portOf = ({ url }: { url: string }): number => Number(new URL(url).port)

/** The username in a Basic credential. */
export function userOf(authorization: string | undefined): string | undefined {
  return Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64')
    .toString()
    .split(':')[0]
}

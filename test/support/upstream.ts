import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { after } from 'node:test'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
import { createSignal } from './wait.ts'

export type Upstream = Readonly<{ url: string; port: number; server: Server }>

export type UpstreamOptions = Readonly<{ host?: string; port?: number; tls?: ServerOptions }>

/** Starts an upstream server, which is closed after the tests of the file. */
export async function startUpstream(
  listener: RequestListener,
  { host = '127.0.0.1', port: requestedPort = 0, tls }: UpstreamOptions = {},
): Promise<Upstream> {
  const timeouts = { keepAliveTimeout: 60_000, requestTimeout: 0 }
  const server = tls ? createHttpsServer({ ...timeouts, ...tls }, listener) : createHttpServer(timeouts, listener)
  server.listen(requestedPort, host)
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return Object.freeze({ url: `${tls ? 'https' : 'http'}://${authority}`, port, server })
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
}>

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
export async function startRawUpstream(onHead: (socket: Socket, head: string) => void): Promise<RawUpstream> {
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
    until: async (pattern: RegExp) => (await waitFor(() => (pattern.test(text) ? text : undefined)))!,
  })
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

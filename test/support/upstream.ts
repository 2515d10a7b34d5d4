import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { after } from 'node:test'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

export type Upstream = Readonly<{ url: string; port: number; server: Server }>

export type UpstreamOptions = Readonly<{ host?: string; port?: number; tls?: ServerOptions }>

/** A server of the test's own behind the proxy, until the last test of the file. */
export async function startUpstream(
  answer: RequestListener,
  { host = '127.0.0.1', port: wanted = 0, tls }: UpstreamOptions = {},
): Promise<Upstream> {
  const patience = { keepAliveTimeout: 60_000, requestTimeout: 0 }
  const server = tls ? createHttpsServer({ ...patience, ...tls }, answer) : createHttpServer(patience, answer)
  server.listen(wanted, host)
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
  /** All that came on all connections, in order, as latin-1. */
  received: () => string
  /** How many connections were made. */
  connectionCount: () => number
  /** Resolves when what came matches. */
  waitFor: (pattern: RegExp) => Promise<string>
}>

/** A server of bytes, until the last test of the file. */
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

/** A server that is handed whole heads and bytes, and answers by bytes: for what no HTTP library would send. */
export async function startRawUpstream(onHead: (socket: Socket, head: string) => void): Promise<RawUpstream> {
  let text = ''
  let count = 0
  let watchers: (() => void)[] = []
  const { url, port } = await startTcpUpstream((socket) => {
    let pending = ''
    count++
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      pending += chunk.toString('latin1')
      for (const watch of watchers) watch()
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
    connectionCount: () => count,
    waitFor(pattern: RegExp) {
      if (pattern.test(text)) return Promise.resolve(text)
      const { promise, resolve } = Promise.withResolvers<string>()
      watchers.push(() => pattern.test(text) && resolve(text))
      return promise.finally(() => {
        watchers = []
      })
    },
  })
}

/** elastauth as a proxy, which asks no Elasticsearch unless told to, until the last test of the file. */
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

/** The user that a Basic credential is for. */
export function userOf(authorization: string | undefined): string | undefined {
  return Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64')
    .toString()
    .split(':')[0]
}

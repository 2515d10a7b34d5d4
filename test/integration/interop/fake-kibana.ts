import { hash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { Elasticsearch } from '../../support/elasticsearch/node.ts'
import { keepAlive } from '../../support/keep-alive.ts'
import { type Address, listen } from './listen.ts'

/** A request that reached the application, with the user that Elasticsearch authenticates it as. */
export type ReceivedRequest = Readonly<{
  user: string | null
  roles: readonly string[]
  fullName: string | null
  email: string | null
  method: string
  host: string
  /** The HTTP version. */
  version: string
  target: string
  /** Length of the body in bytes. */
  bytes: number
  /** Names of its headers, in lower case. */
  headers: readonly string[]
}>

export type FakeKibana = Readonly<{ address: Address; requests: () => number }>

/** The application behind the proxy. Like Kibana, it sends the request's Authorization to Elasticsearch, which decides whether it is valid. */
export async function startFakeKibana(
  node: Pick<Elasticsearch, 'url'>,
  cleanup: AsyncDisposableStack,
): Promise<FakeKibana> {
  let requests = 0
  const server = createServer({ maxHeaderSize: 128 * 1024, ...keepAlive }, async (request, response) => {
    requests++
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    response.setHeader('X-Received', await describeRequest(request, node, bytes))
    response.end('ok')
  })
  server.on('upgrade', async (request, socket) => {
    requests++
    socket.on('error', () => {}) // a reset is a close too
    const received = await describeRequest(request, node, 0)
    const accept = hash('sha1', `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64') // RFC 6455, section 4.2.2
    const lines = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${accept}`,
      `X-Received: ${received}`,
    ]
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
    socket.on('data', (chunk) => socket.write(`echo ${chunk}`))
  })
  return Object.freeze({ address: await listen(server, cleanup), requests: () => requests })
}

/** The ReceivedRequest as a header value. */
async function describeRequest(
  request: IncomingMessage,
  node: Pick<Elasticsearch, 'url'>,
  bytes: number,
): Promise<string> {
  const { method = '', url = '', rawHeaders, headers } = request
  const response = await fetch(`${node.url}/_security/_authenticate`, {
    headers: { authorization: headers.authorization ?? '' },
  })
  const user = (await response.json()) as { username?: string; full_name?: string; email?: string; roles?: string[] }
  const received: ReceivedRequest = {
    user: user.username ?? null,
    roles: user.roles?.toSorted() ?? [],
    fullName: user.full_name ?? null,
    email: user.email ?? null,
    method,
    host: headers.host ?? '',
    version: request.httpVersion,
    target: url,
    bytes,
    headers: rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()),
  }
  return encodeURIComponent(JSON.stringify(received))
}

import { hash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { Elasticsearch } from '../../support/elasticsearch/node.ts'
import { type Address, listen } from './listen.ts'

/** What a request is when it has come through the proxy, and who Elasticsearch says it is from. */
export type Seen = Readonly<{
  user: string | null
  roles: readonly string[]
  fullName: string | null
  email: string | null
  method: string
  host: string
  /** Of HTTP. */
  version: string
  target: string
  /** Length of the body. */
  bytes: number
  /** Names of its headers, in small letters. */
  headers: readonly string[]
}>

export type Kibana = Readonly<{ address: Address; requests: () => number }>

/** The service behind the proxy. As Kibana does, it takes the request's Authorization to Elasticsearch, the only judge of it. */
export async function startKibana(node: Pick<Elasticsearch, 'url'>, until: AsyncDisposableStack): Promise<Kibana> {
  let requests = 0
  const server = createServer({ maxHeaderSize: 128 * 1024 }, async (request, response) => {
    requests++
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    response.setHeader('X-Seen', await look(request, node, bytes))
    response.end('ok')
  })
  server.on('upgrade', async (request, socket) => {
    requests++
    socket.on('error', () => {}) // a reset is a close too
    const seen = await look(request, node, 0)
    const accept = hash('sha1', `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64') // RFC 6455, 4.2.2
    const lines = ['Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`, `X-Seen: ${seen}`]
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
    socket.on('data', (chunk) => socket.write(`echo ${chunk}`))
  })
  return Object.freeze({ address: await listen(server, until), requests: () => requests })
}

/** As the value of a header. */
async function look(request: IncomingMessage, node: Pick<Elasticsearch, 'url'>, bytes: number): Promise<string> {
  const { method = '', url = '', rawHeaders, headers } = request
  const response = await fetch(`${node.url}/_security/_authenticate`, {
    headers: { authorization: headers.authorization ?? '' },
  })
  const said = (await response.json()) as { username?: string; full_name?: string; email?: string; roles?: string[] }
  const seen: Seen = {
    user: said.username ?? null,
    roles: said.roles?.toSorted() ?? [],
    fullName: said.full_name ?? null,
    email: said.email ?? null,
    method,
    host: headers.host ?? '',
    version: request.httpVersion,
    target: url,
    bytes,
    headers: rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()),
  }
  return encodeURIComponent(JSON.stringify(seen))
}

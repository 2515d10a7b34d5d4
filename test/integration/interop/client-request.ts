import { once } from 'node:events'
import type { Socket } from 'node:net'
import { headersOf, openRaw } from '../../support/raw-http.ts'
import type { ReceivedRequest } from './fake-kibana.ts'
import type { Running } from './real-proxy.ts'

/** A client's request to the proxy: an anonymous `GET /app/home` by default. */
export type ClientRequest = Readonly<{
  /** The session cookie that identifies the user to Authelia. */
  session?: string
  method?: string
  target?: string
  /** Header lines besides Host and Cookie, sent as they are. */
  lines?: readonly string[]
  /** Length of the body in bytes. */
  body?: number
  isChunked?: boolean
  version?: '1.0' | '1.1'
  /** A WebSocket, over which a message is sent and echoed. */
  isWebSocket?: boolean
  /** The address that the client connects from; 127.0.0.1 by default. */
  localAddress?: string
}>

/** The client's response, and the request that the application received, if one reached it. */
export type Outcome = Readonly<
  {
    status: number
    location?: string
    body: string
    /** Names in lower case. */
    responseHeaders: readonly string[]
  } & Partial<ReceivedRequest>
>

export async function sendRequest({ port }: Pick<Running, 'port'>, request: ClientRequest): Promise<Outcome> {
  const connection = openRaw(port, request.localAddress === undefined ? {} : { localAddress: request.localAddress })
  try {
    connection.send(headOf(request))
    await sendBody(connection.socket, request)
    const options = { isHead: request.method === 'HEAD' }
    let response = await connection.readResponse(options)
    while (response.status === 100) response = await connection.readResponse(options)
    const [received] = headersOf(response, 'X-Received')
    const [location] = headersOf(response, 'Location')
    if (response.status === 101) {
      connection.send('hello')
      await connection.until(/echo hello$/)
    }
    return {
      status: response.status,
      body: response.body,
      responseHeaders: response.headers.map(([name]) => name.toLowerCase()),
      ...(location && { location }),
      ...(received && (JSON.parse(decodeURIComponent(received)) as ReceivedRequest)),
    }
  } finally {
    connection.socket.destroy()
  }
}

const webSocketHeaders = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

function headOf({ session, method = 'GET', target = '/app/home', lines = [], ...request }: ClientRequest): string {
  const { body, isChunked = false, version = '1.1', isWebSocket = false } = request
  const all = [
    `${method} ${target} HTTP/${version}`,
    'Host: kibana.example.com',
    ...(session === undefined ? [] : [`Cookie: theme=dark; session=${session}`]),
    ...(isWebSocket ? webSocketHeaders : []),
    ...(body === undefined ? [] : [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body}`]),
    ...lines,
  ]
  return `${all.join('\r\n')}\r\n\r\n`
}

const piece = Buffer.alloc(64 * 1024, 'b')

/** Stops when the proxy has rejected the request and closed the connection. */
async function sendBody(socket: Socket, { body = 0, isChunked = false }: ClientRequest): Promise<void> {
  const closed = once(socket, 'close').catch(() => {})
  for (let left = body; left > 0 && socket.writable; left -= piece.length) {
    const part = piece.subarray(0, Math.min(left, piece.length))
    if (isChunked) socket.write(`${part.length.toString(16)}\r\n`)
    const hasRoom = socket.write(part)
    if (isChunked) socket.write('\r\n')
    if (!hasRoom) await Promise.race([once(socket, 'drain'), closed])
  }
  if (isChunked) socket.write('0\r\n\r\n')
}

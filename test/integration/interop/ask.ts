import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type ProxyResponse, valuesOf } from '../../conformance/message.ts'
import { readResponse } from '../../conformance/read-answer.ts'
import type { Seen } from './kibana.ts'
import type { Running } from './proxy.ts'

/** What a client sends: `GET /app/home` of nobody, unless told otherwise. */
export type Ask = Readonly<{
  /** The cookie by which Authelia knows somebody. */
  session?: string
  method?: string
  target?: string
  /** Lines besides Host and Cookie, as they go over the wire. */
  lines?: readonly string[]
  /** Length of the body, and whether that is told beforehand. */
  body?: number
  isChunked?: boolean
  version?: '1.0' | '1.1'
  /** A WebSocket, over which something is sent when it is open. */
  isWebSocket?: boolean
}>

/** What the client is answered (`answered` are the headers' names), and what the service behind has seen, if it has. */
export type Outcome = Readonly<
  { status: number; location?: string; body: string; answered: readonly string[] } & Partial<Seen>
>

export async function ask({ port }: Pick<Running, 'port'>, asked: Ask): Promise<Outcome> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}) // who is refused may be cut off while sending
  try {
    const answering = receive(socket, asked.method === 'HEAD')
    answering.catch(() => {}) // awaited below, when all is sent
    socket.write(headOf(asked), 'latin1')
    await sendBody(socket, asked)
    const { answer, rest } = await answering
    const [seen] = valuesOf(answer.headers, 'X-Seen')
    const [location] = valuesOf(answer.headers, 'Location')
    if (answer.status === 101) await echo(socket, rest)
    return {
      status: answer.status,
      body: answer.body,
      answered: answer.headers.map(([name]) => name.toLowerCase()),
      ...(location && { location }),
      ...(seen && (JSON.parse(decodeURIComponent(seen)) as Seen)),
    }
  } finally {
    socket.destroy()
  }
}

function headOf({ session, method = 'GET', target = '/app/home', lines = [], ...asked }: Ask): string {
  const { body, isChunked = false, version = '1.1', isWebSocket = false } = asked
  const all = [
    `${method} ${target} HTTP/${version}`,
    'Host: kibana.example.com',
    ...(session === undefined ? [] : [`Cookie: theme=dark; session=${session}`]),
    ...(isWebSocket
      ? [
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ]
      : []),
    ...(body === undefined ? [] : [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body}`]),
    ...lines,
  ]
  return `${all.join('\r\n')}\r\n\r\n`
}

const piece = Buffer.alloc(64 * 1024, 'b')

async function sendBody(socket: Socket, { body = 0, isChunked = false }: Ask): Promise<void> {
  for (let left = body; left > 0 && socket.writable; left -= piece.length) {
    const part = piece.subarray(0, Math.min(left, piece.length))
    if (isChunked) socket.write(`${part.length.toString(16)}\r\n`)
    const isRoom = socket.write(part)
    if (isChunked) socket.write('\r\n')
    if (!isRoom) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
  if (isChunked) socket.write('0\r\n\r\n')
}

async function receive(socket: Socket, isHead: boolean): Promise<{ answer: ProxyResponse; rest: Buffer }> {
  let received = Buffer.alloc(0)
  const { promise, resolve, reject } = Promise.withResolvers<{ answer: ProxyResponse; rest: Buffer }>()
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    const read = readResponse(received, isHead)
    if (read === undefined) return
    if (read.answer.status === 100) received = received.subarray(read.length)
    else resolve({ answer: read.answer, rest: received.subarray(read.length) })
  })
  socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(received.toString('latin1'))}`)))
  return promise
}

async function echo(socket: Socket, rest: Buffer): Promise<void> {
  socket.write('hello')
  let text = rest.toString()
  while (!text.endsWith('echo hello')) text += String((await once(socket, 'data'))[0])
}

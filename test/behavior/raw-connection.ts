import { once } from 'node:events'
import { connect } from 'node:net'

export type RawResponse = Readonly<{
  status: number
  /** Status line and headers, as they came. */
  head: string
  headers: readonly (readonly [name: string, value: string])[]
  body: string
}>

export type RawConnection = Readonly<{
  /** Lines get their CRLF; a Buffer goes as it is. */
  send: (...parts: readonly (string | Buffer)[]) => void
  /** The next whole answer. Rejects when the connection ends before. */
  readResponse: (options?: { hasBody: boolean }) => Promise<RawResponse>
  /** Resolves when the other side has closed, to what came after the last answer. */
  readToEnd: () => Promise<string>
  close: () => void
}>

/** A TCP connection that sends bytes as they are: doubled, odd and broken headers too, which no HTTP client would send. */
export async function openConnection(url: string, localAddress = '127.0.0.1'): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), localAddress })
  await once(socket, 'connect')
  let received = ''
  let isOver = false
  let wake = () => {}
  const over = () => {
    isOver = true
    wake()
  }
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    wake()
  })
  socket.on('end', over).on('close', over).on('error', over)

  async function until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (isOver) throw new Error(`the connection ended after ${JSON.stringify(received)}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return Object.freeze({
    send(...parts: readonly (string | Buffer)[]) {
      for (const part of parts) socket.write(typeof part === 'string' ? `${part}\r\n` : part)
    },
    readResponse: ({ hasBody } = { hasBody: true }) =>
      until(() => {
        const end = received.indexOf('\r\n\r\n')
        if (end === -1) return undefined
        const answer = parseHead(received.slice(0, end))
        const length = hasBody ? Number(headersOf(answer, 'content-length')[0] ?? 0) : 0
        if (received.length < end + 4 + length) return undefined
        const body = Buffer.from(received.slice(end + 4, end + 4 + length), 'latin1').toString('utf8')
        received = received.slice(end + 4 + length)
        return Object.freeze({ ...answer, body })
      }),
    readToEnd: () => until(() => (isOver ? received : undefined)),
    close: () => socket.destroy(),
  })
}

/** One request on a connection of its own: a request line and headers without the empty line at their end. */
export async function exchange(
  url: string,
  lines: readonly (string | Buffer)[],
  { localAddress = '127.0.0.1', body = '' }: { localAddress?: string; body?: string } = {},
): Promise<RawResponse> {
  const connection = await openConnection(url, localAddress)
  connection.send(...lines, '', Buffer.from(body))
  const isHead = String(lines[0]).startsWith('HEAD ')
  const answer = await connection.readResponse({ hasBody: !isHead })
  connection.close()
  return answer
}

export function headersOf({ headers }: Pick<RawResponse, 'headers'>, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

function parseHead(head: string): Omit<RawResponse, 'body'> {
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  return { status: Number(statusLine.split(' ')[1]), head, headers }
}

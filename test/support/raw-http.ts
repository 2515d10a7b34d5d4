import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createSignal } from './wait.ts'

export type Header = readonly [name: string, value: string]

export type RawResponse = Readonly<{
  status: number
  /** Status line and headers as received, without the empty line. */
  head: string
  headers: readonly Header[]
  body: string
}>

export type RawConnection = Readonly<{
  socket: Socket
  /** Sends exactly these bytes; text as Latin-1. */
  send: (...parts: readonly (string | Buffer)[]) => void
  /** Text is sent as UTF-8 and with CRLF after it. */
  sendLines: (...lines: readonly (string | Buffer)[]) => void
  /** All that was received, as Latin-1, without the responses that `readResponse` has returned. */
  received: () => string
  /** Resolves when what was received matches. Rejects when the connection closes before. */
  until: (pattern: RegExp) => Promise<string>
  /** Reads the next complete response. Rejects when the connection closes before. */
  readResponse: (options?: { isHead?: boolean }) => Promise<RawResponse>
  /** Resolves to what was received, once the connection has closed. */
  closed: Promise<string>
}>

export type RawOptions = Readonly<{
  localAddress?: string
  allowHalfOpen?: boolean
  ca?: string
  rejectUnauthorized?: boolean
}>

/**
 * A connection that sends exactly the bytes it is given: duplicate, unusual and invalid headers too, which no HTTP client sends.
 * @param target a port of 127.0.0.1, or a URL, with TLS for https
 */
export function openRaw(target: number | string | URL, options: RawOptions = {}): RawConnection {
  const socket = connect(new URL(typeof target === 'number' ? `http://127.0.0.1:${target}` : target), options)
  let text = ''
  let failure: Error | undefined
  const { notify, waitFor } = createSignal()
  const isOver = () => socket.closed
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
    notify()
  })
  socket.on('error', (error) => {
    failure = error
  })
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  void closed.then(notify)

  return Object.freeze({
    socket,
    send(...parts: readonly (string | Buffer)[]) {
      for (const part of parts) socket.write(part, 'latin1')
    },
    sendLines(...lines: readonly (string | Buffer)[]) {
      for (const line of lines) socket.write(typeof line === 'string' ? `${line}\r\n` : line)
    },
    received: () => text,
    async until(pattern: RegExp) {
      const matched = await waitFor(() => (pattern.test(text) ? text : undefined), isOver)
      if (matched === undefined) throw new Error(`closed before ${pattern}: ${JSON.stringify(text)}`)
      return matched
    },
    async readResponse({ isHead = false } = {}) {
      const read = await waitFor(() => parseResponse(text, isHead), isOver)
      // The error message omits the text, which may contain a credential.
      if (read === undefined)
        throw failure ?? new Error(`the connection closed after ${text.length} bytes of a response`, { cause: text })
      text = text.slice(read.length)
      return read.response
    },
    closed,
  })
}

/** Sends one request on a connection of its own: a request line and headers, without the empty line after them. */
export async function exchange(
  url: string,
  lines: readonly (string | Buffer)[],
  { body = '', ...options }: RawOptions & { body?: string } = {},
): Promise<RawResponse> {
  const connection = openRaw(url, options)
  connection.sendLines(...lines, '', Buffer.from(body))
  const response = await connection.readResponse({ isHead: String(lines[0]).startsWith('HEAD ') })
  connection.socket.destroy()
  return response
}

/** The values of the headers with this name, in any case. */
export function headersOf({ headers }: Readonly<{ headers: readonly Header[] }>, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/**
 * Reads the first response of Latin-1 text. Returns undefined until the response is complete (RFC 9112, section 6.3). A response
 * without a length, which the end of the connection delimits, is returned without its body. Throws for what is not HTTP/1.
 */
export function parseResponse(text: string, isHead = false): { response: RawResponse; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = text.slice(0, end)
  const [statusLine = '', ...lines] = head.split('\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(statusLine)?.[1])
  if (Number.isNaN(status)) throw new Error(`${JSON.stringify(statusLine)} is not a status line`)
  const headers = lines.map((line): Header => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const hasBody = !isHead && status >= 200 && status !== 204 && status !== 304
  const body = hasBody ? readBody(text, end + 4, headers) : { text: '', end: end + 4 }
  if (body === undefined) return undefined
  const decoded = Buffer.from(body.text, 'latin1').toString('utf8')
  return { response: Object.freeze({ status, head, headers, body: decoded }), length: body.end }
}

type Body = { text: string; end: number }

function readBody(text: string, start: number, headers: readonly Header[]): Body | undefined {
  if (headersOf({ headers }, 'Transfer-Encoding').at(-1)?.toLowerCase() === 'chunked') return readChunks(text, start)
  const end = start + Number(headersOf({ headers }, 'Content-Length')[0] ?? 0)
  return text.length < end ? undefined : { text: text.slice(start, end), end }
}

function readChunks(text: string, start: number): Body | undefined {
  let body = ''
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (Number.isNaN(size)) throw new Error('a chunk of the response has no length')
    at = lineEnd + 2 + size + 2
    if (text.length < at) return undefined
    if (size === 0) return { text: body, end: at }
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
  }
}

function connect({ protocol, hostname, port }: URL, options: RawOptions): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (protocol === 'http:') return connectTcp({ host, port: Number(port || 80), ...options })
  return connectTls({ host, port: Number(port || 443), ...(isIP(host) === 0 && { servername: host }), ...options })
}

import { type Header, type ProxyResponse, valuesOf } from './message.ts'

/**
 * The first answer in these bytes, and its length; undefined until all of it is there (RFC 9112, 6.3). One whose end is
 * the connection's is taken as soon as its head is there: no caller reads the body of such an answer.
 * Throws an Error for what is no HTTP/1 answer.
 */
export function readResponse(bytes: Buffer, isHead: boolean): { answer: ProxyResponse; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const headLength = end + 4
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(statusLine)?.[1])
  if (Number.isNaN(status)) throw new Error(`${JSON.stringify(statusLine)} is no status line`)
  const headers = lines.map((line): Header => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const hasBody = !isHead && status >= 200 && status !== 204 && status !== 304
  const body = hasBody ? readBody(bytes.subarray(headLength), headers) : { text: '', length: 0 }
  if (body === undefined) return undefined
  return { answer: { status, headLength, headers, body: body.text }, length: headLength + body.length }
}

type Body = { text: string; length: number }

function readBody(bytes: Buffer, headers: readonly Header[]): Body | undefined {
  if (valuesOf(headers, 'Transfer-Encoding').at(-1)?.toLowerCase() === 'chunked') return readChunks(bytes)
  const length = Number(valuesOf(headers, 'Content-Length')[0] ?? 0)
  return bytes.length < length ? undefined : { text: bytes.toString('utf8', 0, length), length }
}

function readChunks(bytes: Buffer): Body | undefined {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) throw new Error('a chunk of the answer has no length')
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { text: Buffer.concat(chunks).toString('utf8'), length: next }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}

import { STATUS_CODES } from 'node:http'

/** What we answer a request with. A value, so that the log knows of it before the first byte is out. */
export type Answer = Readonly<{
  status: number
  /** Names and values in turn, as `response.rawHeaders`. */
  headers: string[]
  body: string
  /** Whose request it was, where that is known. */
  username?: string | undefined
}>

/** A JSON document that nobody may keep. */
export function jsonAnswer(status: number, document: unknown, username?: string): Answer {
  return answerWith(status, 'application/json; charset=utf-8', `${JSON.stringify(document, null, 2)}\n`, username)
}

export function answerWith(status: number, contentType: string, body: string, username?: string): Answer {
  const length = String(Buffer.byteLength(body))
  const headers = ['Content-Type', contentType, 'Content-Length', length, 'Cache-Control', 'no-store']
  return { status, headers, body, username }
}

/** The answer as it goes over the wire (RFC 9112), for a connection that is closed after it. */
export function rawAnswer({ status, headers, body }: Answer): string {
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []))
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...pairs, 'Connection: close', '', body].join('\r\n')
}

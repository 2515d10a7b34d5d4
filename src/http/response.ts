import { type ServerResponse, STATUS_CODES } from 'node:http'
import { fieldLinesOf } from './headers.ts'

/** A client's own credential at Elasticsearch, without its secret. Only keys have a name, and only API keys an id. */
export type OwnCredential = Readonly<{ realm: string; id?: string; name?: string }>

/**
 * A complete response as a plain value, which can be tested without a socket.
 */
export type GatewayResponse = Readonly<{
  status: number
  /** Alternating names and values, as in Node's `rawHeaders`. */
  headers: string[]
  body: string
  /** The authenticated user, if known. */
  username?: string | undefined
  /** The authenticated client's own credential, for the log. */
  credential?: OwnCredential | undefined
  /** Whether it responds to a health probe or a scrape of the metrics, which are logged at level debug. */
  isProbe?: boolean
}>

/** An upstream's response, forwarded as it arrives, or the tunnel of an upgrade. */
export type StreamedResponse = Readonly<{
  username?: string | undefined
  credential?: OwnCredential | undefined
  isProbe?: undefined
  /**
   * Resolves when the response has been sent, or when the tunnel has closed (`response.statusCode` is 101). Rejects
   * with GatewayError; if no headers have been sent by then, the client can still get an error response.
   */
  stream: (response: ServerResponse) => Promise<void>
}>

/** A JSON document that must not be cached. */
export function jsonResponse(status: number, document: unknown, username?: string): GatewayResponse {
  const body = `${JSON.stringify(document, null, 2)}\n`
  return { ...createResponse(status, 'application/json; charset=utf-8', body), username }
}

export function createResponse(status: number, contentType: string, body: string): GatewayResponse {
  const length = String(Buffer.byteLength(body))
  const headers = ['Content-Type', contentType, 'Content-Length', length, 'Cache-Control', 'no-store']
  return { status, headers, body }
}

/** The bytes of a response in HTTP/1.1 (RFC 9112), for a connection that is closed after it. */
export function serializeResponse({ status, headers, body }: GatewayResponse): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...fieldLinesOf(headers),
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

/**
 * Whether an ended response still has to be sent: it waits for earlier responses on its connection, or for the client
 * to read. Node's `writableFinished` cannot tell, because it becomes true only some time after the kernel has accepted
 * all bytes.
 */
export function isUnsent(response: ServerResponse): boolean {
  const { socket } = response as { socket?: ServerResponse['socket'] }
  if (socket === undefined) return !response.writableFinished // HTTP/2
  return socket === null || response.writableLength > 0
}

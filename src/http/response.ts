import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { GatewayError } from './errors.ts'
import { fieldLinesOf } from './headers.ts'

/** A complete response as a value: it can be logged before its first byte is sent, and tested without a socket. */
export type GatewayResponse = Readonly<{
  status: number
  /** Alternating names and values, as in `response.rawHeaders`. */
  headers: string[]
  body: string
  /** The authenticated user, if known. */
  username?: string | undefined
}>

/** A response of the upstream, forwarded as it arrives. */
export type StreamedResponse = Readonly<{
  username?: string | undefined
  /**
   * Resolves when the response has been sent. Rejects with GatewayError; until its head is sent, the client can get an
   * error response.
   */
  stream: (response: ServerResponse) => Promise<void>
}>

/** A connection that switches from HTTP to another protocol. */
export type Upgrade = Readonly<{
  username: string | undefined
  /**
   * Resolves when the tunnel has closed, or when the upstream's response has been sent instead. Throws, or rejects
   * with, GatewayError if the client has received neither; `reject` has then sent it an error response, if it was still
   * connected.
   */
  tunnel: (socket: Socket, head: Buffer, reject: (error: GatewayError) => void) => Promise<UpgradeResult>
}>

export type UpgradeResult = Readonly<{
  /**
   * The status sent to the client: 101, or that of the upstream's response. 499 if the client disconnected during the
   * response.
   */
  status: number
  /** Why the upstream's response was cut off. */
  error?: GatewayError
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

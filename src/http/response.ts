import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { GatewayError } from './errors.ts'
import { fieldLinesOf } from './headers.ts'

/**
 * A complete response as a plain value, which can be logged before its first byte is sent, and tested without a socket.
 */
export type GatewayResponse = Readonly<{
  status: number
  /** Alternating names and values, as in Node's `rawHeaders`. */
  headers: string[]
  body: string
  /** The authenticated user, if known. */
  username?: string | undefined
}>

/** An upstream's response, forwarded as it arrives. */
export type StreamedResponse = Readonly<{
  username?: string | undefined
  /**
   * Resolves when the response has been sent. Rejects with GatewayError; if no headers have been sent by then, the
   * client can still get an error response.
   */
  stream: (response: ServerResponse) => Promise<void>
}>

/** A connection that switches from HTTP to another protocol. */
export type Upgrade = Readonly<{
  username: string | undefined
  /**
   * Resolves when the tunnel has closed, or when the upstream's rejection has been forwarded to the client. Rejects with
   * GatewayError if nothing has been sent, so that the client can get an error response.
   */
  tunnel: (socket: Socket, head: Buffer) => Promise<UpgradeResult>
}>

export type UpgradeResult = Readonly<{
  /**
   * 101, or the status of the upstream's rejection. 499 if the client disconnected while that response was being sent.
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

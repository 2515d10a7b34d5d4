import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { GatewayError } from './errors.ts'
import { fieldLinesOf } from './headers.ts'

/** What we answer a request with. A value, so that the log knows of it before the first byte is out. */
export type GatewayResponse = Readonly<{
  status: number
  /** Names and values in turn, as `response.rawHeaders`. */
  headers: string[]
  body: string
  /** Whose request it was, where that is known. */
  username?: string | undefined
}>

/** An answer that somebody else gives, and that we pass on as it comes. */
export type StreamedResponse = Readonly<{
  username?: string | undefined
  /** Resolves when all of it is out. Rejects with GatewayError: while nothing is out, the client can still be told. */
  stream: (response: ServerResponse) => Promise<void>
}>

/** A connection that becomes something other than HTTP. */
export type Upgrade = Readonly<{
  username: string | undefined
  /**
   * Resolves when the tunnel has closed, or what the upstream said instead is out. Throws, or rejects with, GatewayError
   * where the client heard of neither; it has then been told by `refuse`, while it could be.
   */
  tunnel: (socket: Socket, head: Buffer, refuse: (error: GatewayError) => void) => Promise<UpgradeEnd>
}>

export type UpgradeEnd = Readonly<{
  /** What the client was told: 101, or what the upstream said instead. 499 where it left in the middle of that. */
  status: number
  /** Why the upstream's answer was cut in the middle. */
  error?: GatewayError
}>

/** A JSON document that nobody may keep. */
export function jsonResponse(status: number, document: unknown, username?: string): GatewayResponse {
  return answerWith(status, 'application/json; charset=utf-8', `${JSON.stringify(document, null, 2)}\n`, username)
}

export function answerWith(status: number, contentType: string, body: string, username?: string): GatewayResponse {
  const length = String(Buffer.byteLength(body))
  const headers = ['Content-Type', contentType, 'Content-Length', length, 'Cache-Control', 'no-store']
  return { status, headers, body, username }
}

/** The answer as it goes over the wire (RFC 9112), for a connection that is closed after it. */
export function serializeResponse({ status, headers, body }: GatewayResponse): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...fieldLinesOf(headers),
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

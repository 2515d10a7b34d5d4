import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { finished, pipeline } from 'node:stream/promises'
import { fieldLinesOf } from '../../http/headers.ts'
import { clientClosed } from '../buffered-response.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import { createSendTimeout, type SendTimeout } from '../send-timeout.ts'
import { toUpstreamError } from '../upstream-error.ts'

export type ForwardRejectionOptions = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'> &
  Readonly<{ origin: string; buildResponseHeaders: BuildResponseHeaders }>

/**
 * Forwards an upstream's rejection of an upgrade to the client, with back-pressure, and closes the client's connection.
 * Rejects with GatewayError client_closed, upstream_unavailable, upstream_timeout or upstream_protocol if the response
 * was truncated.
 */
export async function forwardRejection(
  response: IncomingMessage,
  socket: Socket,
  { timeoutMs, clientTimeoutMs, origin, buildResponseHeaders }: ForwardRejectionOptions,
): Promise<void> {
  const aborted = new AbortController()
  const { signal } = aborted
  const onClose = () => aborted.abort(clientClosed())
  const sendTimeout = createSendTimeout(socket, clientTimeoutMs, {
    onDrain: () => {},
    onTimeout: (error) => aborted.abort(error),
  })
  const isChunked = hasBody(response) && response.headers['content-length'] === undefined
  socket.once('error', onClose).once('close', onClose)
  setReadTimeout(response, socket, timeoutMs)
  try {
    socket.write(formatHead(response, buildResponseHeaders, isChunked), 'latin1')
    const write = (chunks: AsyncIterable<Buffer>) => writeBody(chunks, { socket, isChunked, sendTimeout, signal })
    await pipeline(response, write, { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : toUpstreamError(error as Error, origin, false)
  } finally {
    sendTimeout.end()
    socket.off('error', onClose).off('close', onClose).destroy()
  }
}

/** Whether a response has a body, which depends on its status (RFC 9112, section 6.3). */
function hasBody({ statusCode }: IncomingMessage): boolean {
  return statusCode !== 204 && statusCode !== 304
}

/**
 * Sets a timeout for reading from the upstream. It does not run while the client reads nothing, because back-pressure
 * then stops elastauth from reading too.
 */
function setReadTimeout(response: IncomingMessage, client: Socket, timeoutMs: number): void {
  const { socket } = response
  socket.setTimeout(timeoutMs).on('timeout', () => {
    if (client.writableNeedDrain) return void socket.setTimeout(timeoutMs)
    const error = new Error(`the upstream sent nothing for ${timeoutMs} ms in the middle of its response`)
    response.destroy(Object.assign(error, { code: 'UND_ERR_BODY_TIMEOUT' }))
  })
}

/**
 * Formats the response's head as HTTP/1.1, since HTTP/1.0 has no upgrades. A body without a length is sent as chunked,
 * so that the client can detect a truncated body.
 */
function formatHead(
  { statusCode, statusMessage, rawHeaders }: IncomingMessage,
  buildResponseHeaders: BuildResponseHeaders,
  isChunked: boolean,
): string {
  const headers = [...buildResponseHeaders(rawHeaders, statusCode!), 'Connection', 'close']
  if (isChunked) headers.push('Transfer-Encoding', 'chunked')
  return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...fieldLinesOf(headers), '', ''].join('\r\n')
}

type BodyWriter = Readonly<{ socket: Socket; isChunked: boolean; sendTimeout: SendTimeout; signal: AbortSignal }>

/** Writes the response's body, then ends the connection. */
async function writeBody(
  chunks: AsyncIterable<Buffer>,
  { socket, isChunked, sendTimeout, signal }: BodyWriter,
): Promise<void> {
  for await (const chunk of chunks) {
    if (isChunked ? writeChunk(socket, chunk) : socket.write(chunk)) continue
    sendTimeout.start()
    await once(socket, 'drain', { signal })
  }
  socket.end(isChunked ? '0\r\n\r\n' : '')
  sendTimeout.start()
  await finished(socket, { readable: false, signal })
}

/** @returns false if the caller must wait for `drain` before it writes more */
function writeChunk(socket: Socket, chunk: Buffer): boolean {
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`)
  socket.write(chunk)
  const hasRoom = socket.write('\r\n')
  socket.uncork()
  return hasRoom
}

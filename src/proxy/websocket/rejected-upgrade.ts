import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { finished, pipeline } from 'node:stream/promises'
import { GatewayError } from '../../http/errors.ts'
import { fieldLinesOf } from '../../http/headers.ts'
import { clientClosed } from '../buffered-response.ts'
import type { BuildResponseHeaders } from '../headers/response-headers.ts'
import type { Routing } from '../routing/routing.ts'
import { createSendTimeout } from '../send-timeout.ts'
import { toUpstreamError } from '../upstream-error.ts'

export type ForwardRejectionOptions = Pick<Routing, 'timeoutMs' | 'clientTimeoutMs'> &
  Readonly<{ origin: string; buildResponseHeaders: BuildResponseHeaders }>

/**
 * Passes on what an upstream says in place of an upgrade, a piece at a time, no faster than the client takes it. The socket
 * is closed in the end, however that comes. Rejects with GatewayError client_closed, upstream_unavailable, upstream_timeout,
 * upstream_protocol, and the answer was cut in the middle.
 */
export async function forwardRejection(
  answer: IncomingMessage,
  socket: Socket,
  { timeoutMs, clientTimeoutMs, origin, buildResponseHeaders }: ForwardRejectionOptions,
): Promise<void> {
  const broken = new AbortController()
  const { signal } = broken
  const onGone = () => broken.abort(clientClosed())
  const onTimeout = () =>
    broken.abort(new GatewayError('client_closed', `the client took nothing of its answer for ${clientTimeoutMs} ms`))
  const stall = createSendTimeout(socket, clientTimeoutMs, { onDrain: () => {}, onTimeout })
  const isChunked = hasBody(answer) && answer.headers['content-length'] === undefined
  socket.once('error', onGone).once('close', onGone)
  boundSilence(answer, socket, timeoutMs)
  try {
    socket.write(headOf(answer, buildResponseHeaders, isChunked), 'latin1')
    await pipeline(answer, pass, { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : toUpstreamError(error as Error, origin, false)
  } finally {
    stall.end()
    socket.off('error', onGone).off('close', onGone).destroy()
  }

  async function pass(pieces: AsyncIterable<Buffer>): Promise<void> {
    for await (const piece of pieces) {
      if (isChunked ? writeChunk(socket, piece) : socket.write(piece)) continue
      stall.start()
      await once(socket, 'drain', { signal })
    }
    socket.end(isChunked ? '0\r\n\r\n' : '')
    stall.start()
    await finished(socket, { readable: false, signal })
  }
}

/** The client has HTTP/1.1, or it could not ask for an upgrade; in chunks, an answer that is cut does not look whole to it. */
function headOf(
  { statusCode, statusMessage, rawHeaders }: IncomingMessage,
  buildResponseHeaders: BuildResponseHeaders,
  isChunked: boolean,
): string {
  const headers = [...buildResponseHeaders(rawHeaders, statusCode!), 'Connection', 'close']
  if (isChunked) headers.push('Transfer-Encoding', 'chunked')
  return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...fieldLinesOf(headers), '', ''].join('\r\n')
}

/** RFC 9112, 6.3: these have none, whatever their headers say. */
function hasBody({ statusCode }: IncomingMessage): boolean {
  return statusCode !== 204 && statusCode !== 304
}

/** @returns false when the client takes no more for now */
function writeChunk(socket: Socket, piece: Buffer): boolean {
  socket.cork()
  socket.write(`${piece.length.toString(16)}\r\n`)
  socket.write(piece)
  const hasRoom = socket.write('\r\n')
  socket.uncork()
  return hasRoom
}

/** While the client makes no room, the silence is not the upstream's: nobody reads it. */
function boundSilence(answer: IncomingMessage, client: Socket, timeout: number): void {
  const { socket } = answer
  socket.setTimeout(timeout).on('timeout', () => {
    if (client.writableNeedDrain) socket.setTimeout(timeout)
    else
      answer.destroy(Object.assign(new Error('silence in the middle of an answer'), { code: 'UND_ERR_BODY_TIMEOUT' }))
  })
}

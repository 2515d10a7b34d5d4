import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { lingerTimeoutMs, maxPendingBytes, maxPendingRequests } from '../listen/limits.ts'

/**
 * Whether a request has to be the last one on its connection. Node parses 64 KiB of pipelined requests before
 * back-pressure applies, and keeps each request until its response is sent. Without a limit, one client could fill the
 * heap.
 * @param pending the requests whose responses have not been sent, the new one last
 */
export function mustBeLast(pending: readonly IncomingMessage[]): boolean {
  if (pending.length === 1) return false
  if (pending.length >= maxPendingRequests) return true
  return pending.reduce((sum, request) => sum + heldBytes(request), 0) > maxPendingBytes
}

/** V8's overhead for a string, including its place in a list and in `headers`, in bytes. */
const stringOverhead = 50

function heldBytes({ url = '', rawHeaders, readableLength }: IncomingMessage): number {
  let bytes = url.length + rawHeaders.length * stringOverhead + readableLength
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

/**
 * The classes from which Node creates requests and responses. Requests after the last one on a connection must not be
 * processed (RFC 9112, section 9.6), but Node parses the current chunk to its end. For such requests Node gets the same
 * inert request and response objects each time, and later chunks are discarded.
 * @param hasLastRequest whether the last request of the connection has arrived
 */
export function createMessageClasses(hasLastRequest: (socket: Socket) => boolean) {
  const dropped = new WeakMap<Socket, DroppedRequest>()

  function drop(socket: Socket): DroppedRequest {
    const existing = dropped.get(socket)
    if (existing) return existing
    const request = new DroppedRequest(socket)
    dropped.set(socket, request)
    lingerAtEnd(socket)
    // Runs after Node has parsed the current chunk.
    setImmediate(discardInput, socket)
    return request
  }

  // Node calls both with `new`, which yields the object that they return.
  return Object.freeze({
    IncomingMessage: function createMessage(socket: Socket) {
      return hasLastRequest(socket) ? drop(socket) : new IncomingMessage(socket)
    } as unknown as typeof IncomingMessage,
    ServerResponse: function createServerResponse(request: IncomingMessage, options: object) {
      return request instanceof DroppedRequest ? request.response : new Response(request, options)
    } as unknown as typeof ServerResponse,
  })
}

/** Node passes the constructor a second argument, `options`, which Node's types omit. */
const Response = ServerResponse as unknown as new (request: IncomingMessage, options: object) => ServerResponse

/** Represents all unprocessed requests of a connection. */
export class DroppedRequest extends IncomingMessage {
  readonly response = new DroppedResponse(this)

  override push(): boolean {
    return true
  }
}

class DroppedResponse extends ServerResponse {
  override on(): this {
    return this
  }

  override assignSocket(): void {}
}

/** Keeps reading, so that elastauth notices when the client disconnects, but discards the data. */
function discardInput(socket: Socket): void {
  if (!socket.destroyed) socket.removeAllListeners('data').on('data', () => {})
}

/**
 * Replaces `destroySoon`, which Node calls when the last response has been sent. Closing the connection at once while
 * the client's bytes are unread would make TCP reset it, and the last responses might be lost (RFC 9112, section 9.6).
 */
function lingerAtEnd(socket: Socket): void {
  socket.destroySoon = () => {
    const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs)
    socket.once('close', () => clearTimeout(timer))
    socket.end()
  }
}

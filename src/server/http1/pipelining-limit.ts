import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { lingerTimeoutMs, maxPendingBytes, maxPendingRequests } from '../listen/limits.ts'

/**
 * Whether a request has to be the last one on its connection. Node parses 64 KiB of pipelined requests before
 * back-pressure applies, and keeps each request until its response is sent. Without a limit, one client could fill the
 * heap.
 * @param pending the responses that have not been sent, that to the new request last
 */
export function mustBeLast(pending: readonly Pick<ServerResponse, 'req'>[]): boolean {
  if (pending.length === 1) return false
  if (pending.length >= maxPendingRequests) return true
  return pending.reduce((sum, { req }) => sum + heldBytes(req), 0) > maxPendingBytes
}

/** V8's overhead for a string, including its place in a list and in `headers`, in bytes. */
const stringOverhead = 50

function heldBytes({ url = '', rawHeaders, readableLength }: IncomingMessage): number {
  let bytes = url.length + rawHeaders.length * stringOverhead + readableLength
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

/**
 * The classes from which Node creates requests and responses. For all requests that a connection drops, Node gets the
 * same inert request and response objects.
 * @param dropRequest returns that request, or undefined for a request to process
 */
export function createMessageClasses(dropRequest: (socket: Socket) => DroppedRequest | undefined) {
  // Node calls both with `new`, which yields the object that they return.
  return Object.freeze({
    IncomingMessage: function createMessage(socket: Socket) {
      return dropRequest(socket) ?? new IncomingMessage(socket)
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

/** Discards all further input of a connection, and ends it gracefully after the last response. */
export function dropRequests(socket: Socket): DroppedRequest {
  socket.destroySoon = endAfterLastResponse
  setImmediate(discardInput, socket) // when Node has parsed the current chunk
  return new DroppedRequest(socket)
}

/** Replaces the method that Node calls after the last response; Node has no option for what happens then. */
function endAfterLastResponse(this: Socket): void {
  endGracefully(this)
}

/** Keeps reading, so that elastauth notices when the client disconnects, but discards the data. */
function discardInput(socket: Socket): void {
  if (!socket.destroyed) socket.removeAllListeners('data').on('data', () => {})
}

/**
 * Ends a connection, and destroys it if the client does not close it in time. Destroying it at once while the client's
 * bytes are unread would make TCP reset it, and the last response might be lost (RFC 9112, section 9.6).
 */
export function endGracefully(socket: Socket): void {
  socket.end()
  destroyAfterLinger(socket)
}

/** Destroys a connection that elastauth has ended if the client does not close it in time. */
export function destroyAfterLinger(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs)
  socket.once('close', () => clearTimeout(timer))
}

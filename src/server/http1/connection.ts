import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../../http/errors.ts'
import { type DroppedRequest, dropRequests, endGracefully, mustBeLast } from './pipelining-limit.ts'

/**
 * - `idle`: all responses have been sent
 * - `pending`: a response has not been completely sent yet, and further requests are processed
 * - `closing`: the last request has arrived, and the connection closes after its response
 * - `ended`: elastauth has ended the connection, or it has closed
 */
export type ConnectionState = 'idle' | 'pending' | 'closing' | 'ended'

/**
 * One HTTP/1.1 connection: decides which response may be written when. Node delivers requests, upgrades, CONNECT and
 * parse errors as soon as it has read them, but no response may overtake a pending response or end up inside one (RFC
 * 9112, section 9.3.2). ARCHITECTURE.md has a table of all states and events.
 */
export class Connection {
  readonly #socket: Socket
  /** In order of arrival. A list is faster than a set here, because a second pending response is rare. */
  readonly #pending: ServerResponse[] = []
  /** The error response that is sent after a pending response. */
  #queuedError: Readonly<{ after: ServerResponse; render: () => string }> | undefined
  #dropped: DroppedRequest | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get state(): ConnectionState {
    if (!this.#socket.writable) return 'ended'
    const last = this.#pending.at(-1)
    if (last === undefined) return 'idle'
    return last.shouldKeepAlive ? 'pending' : 'closing'
  }

  /** Whether elastauth has ended a response, or the connection, and some bytes of it have not been sent yet. */
  get hasUnsentBytes(): boolean {
    return this.#socket.writableEnded || this.#pending.some(({ writableEnded }) => writableEnded)
  }

  /** A request has arrived. */
  requestArrived(response: ServerResponse): void {
    this.#pending.push(response)
    // After a request with `Upgrade` that opens no tunnel, the connection must close, or it would allow request
    // smuggling: Node discards the rest of the chunk and parses the next chunk as the start of a request.
    if (response.req.headers.upgrade !== undefined || mustBeLast(this.#pending)) response.shouldKeepAlive = false
  }

  /**
   * Node is about to create a request. The requests after the last one must not be processed (RFC 9112, section 9.6),
   * but Node parses the current chunk to its end.
   * @returns the object that represents all of them, or undefined for a request to process
   */
  dropRequest(): DroppedRequest | undefined {
    const { state } = this
    if (state === 'idle' || state === 'pending') return undefined
    this.#dropped ??= dropRequests(this.#socket)
    return this.#dropped
  }

  /**
   * A response has closed: it has been sent, or the connection has closed.
   * @param onDrained called when the rest of the request body has been read, if any
   */
  responseClosed(response: ServerResponse, drainTimeoutMs: number, onDrained: () => void): void {
    this.#removePending(response)
    drainBody(response.req, drainTimeoutMs, onDrained)
    if (this.#queuedError?.after !== response) return
    const { render } = this.#queuedError
    this.#queuedError = undefined
    // After a request timeout (408), the late request may have arrived in the meantime and gets its own response.
    if (this.state === 'idle') this.#sendError(render)
  }

  /**
   * The client has sent invalid data, or a request that does not arrive in time.
   * @param render returns the bytes of the error response, after which the connection closes
   */
  failed(render: () => string): void {
    const last = this.#pending.at(-1)
    if (this.state === 'ended') return // after an error, Node reports each further chunk as another one
    if (last === undefined) this.#sendError(render)
    else if (!last.req.complete) {
      // The error is in the body of the last request.
      if (last.socket !== null && !last.headersSent) this.#sendError(render)
      else this.#socket.destroy()
    } else if (this.#socket.readableEnded)
      this.#socket.end() // the client disconnected while sending its next request
    else if (this.#queuedError?.after !== last) this.#queuedError = { after: last, render }
  }

  /**
   * A CONNECT request has arrived. Node detaches itself from its connection, so pending responses would notice neither
   * `drain` nor a disconnect.
   * @param render as for `failed`
   */
  connectArrived(render: () => string): void {
    if (this.state === 'idle') this.#sendError(render)
    for (const response of [...this.#pending]) response.destroy()
  }

  /** The connection has closed. */
  closed(): void {
    for (const response of this.#pending) if (response.socket === null) process.nextTick(emitClose, response.destroy())
  }

  #removePending(response: ServerResponse): void {
    if (this.#pending.at(-1) === response)
      this.#pending.pop() // the usual case: `splice` would allocate a list
    else if (this.#pending.includes(response)) this.#pending.splice(this.#pending.indexOf(response), 1)
  }

  #sendError(render: () => string): void {
    this.#socket.on('error', () => {}) // `close` follows
    this.#socket.resume().write(render())
    endGracefully(this.#socket)
  }
}

/** Emits `close` for a response that was waiting for earlier ones when its connection closed. Node 24 does not. */
function emitClose(response: ServerResponse): void {
  if (!response.closed) response.emit('close')
}

/**
 * Waits until the responses to earlier requests on the same connection have been sent. Processing pipelined requests
 * concurrently could reverse two writes, and a request could be forwarded with a session that was revoked while the
 * request waited. Rejects with GatewayError client_closed if the response cannot be sent any more: such a request must
 * not be processed (RFC 9112, section 9.6).
 * @returns undefined if there is nothing to wait for
 */
export function waitForPreviousResponses(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | undefined {
  const { socket } = request
  if (socket.writableEnded || socket.destroyed) return Promise.reject(connectionEnded())
  if (response.socket !== null) return undefined
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = () => reject(connectionEnded())
  response.once('close', onClose)
  // Node assigns the socket to a response when the earlier responses have been sent.
  response.once('socket', () => {
    response.off('close', onClose)
    if (socket.writableEnded || socket.destroyed) reject(connectionEnded())
    else resolve()
  })
  return promise
}

function connectionEnded(): GatewayError {
  return new GatewayError(
    'client_closed',
    'the connection ended before the responses to earlier requests had been sent',
  )
}

/**
 * Reads and discards the rest of a request body after the response, so that the client can read the response. Without a
 * time limit, an unauthenticated client could keep the connection open indefinitely.
 * @param timeoutMs time for the rest of the body to arrive, after which the connection is destroyed
 */
function drainBody(request: IncomingMessage, timeoutMs: number, onDrained: () => void): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  request.resume() // Node discards a body itself only if nothing has read from it
  const timer = setTimeout(() => request.destroy(), timeoutMs)
  const stop = () => {
    clearTimeout(timer)
    socket.off('close', stop)
    onDrained()
  }
  // After the response, Node does not tell the request that its connection has closed.
  request.once('end', stop)
  socket.once('close', stop)
}

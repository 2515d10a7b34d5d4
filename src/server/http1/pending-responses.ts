import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The responses that have not been completely sent yet, for each connection. Node reports a parse error or a CONNECT
 * request as soon as it has read it, but elastauth's error response must not overtake a pending response or end up
 * inside one (RFC 9112, section 9.3.2).
 */
export type PendingResponses = Readonly<{
  /** Call with the response to each request, in order of arrival. */
  add: (response: ServerResponse) => void
  /** Call when a response has closed. */
  remove: (response: ServerResponse) => void
  hasPending: (socket: Socket) => boolean
  /** The requests with pending responses, in order of arrival. */
  requestsOn: (socket: Socket) => IncomingMessage[]
  /** Whether no further request may be processed: the connection has ended, or closes after a pending response. */
  hasLastRequest: (socket: Socket) => boolean
  /**
   * Calls `respond` when all pending responses on a connection have been sent, unless the connection closes after one
   * of them or the client has disconnected. If the body of the last request is still incomplete, the error is in that
   * body: the connection is destroyed if the request's response has begun or waits for earlier responses, otherwise
   * `respond` is called at once.
   */
  runWhenFlushed: (socket: Socket, respond: () => void) => void
  /** Whether elastauth has ended a response or a connection of which some bytes have not been sent yet. */
  hasUnflushed: () => boolean
  /** Destroys the pending responses of a connection. @returns whether there were any */
  destroyPending: (socket: Socket) => boolean
}>

/** @param onConnectionClosed called when a connection has closed */
export function createPendingResponses(onConnectionClosed: () => void): PendingResponses {
  // Lists are faster than sets here, because a connection rarely has a second pending response.
  const pending = new Map<Socket, ServerResponse[]>()
  const reported = new WeakSet<ServerResponse>()

  function add(response: ServerResponse): void {
    const { socket } = response.req
    const responses = pending.get(socket)
    if (responses === undefined) {
      pending.set(socket, [response])
      socket.on('close', onSocketClose)
    } else responses.push(response)
  }

  function onSocketClose(this: Socket): void {
    pending.delete(this)
    onConnectionClosed()
  }

  function remove(response: ServerResponse): void {
    const responses = pending.get(response.req.socket) ?? []
    const index = responses.indexOf(response)
    if (index !== -1) responses.splice(index, 1)
  }

  function hasPending(socket: Socket): boolean {
    return (pending.get(socket)?.length ?? 0) > 0
  }

  function requestsOn(socket: Socket): IncomingMessage[] {
    return (pending.get(socket) ?? []).map(({ req }) => req)
  }

  function hasLastRequest(socket: Socket): boolean {
    return !socket.writable || lastOn(socket)?.shouldKeepAlive === false
  }

  function hasUnflushed(): boolean {
    return pending.entries().some(([socket, responses]) => {
      return socket.writableEnded || responses.some(({ writableEnded }) => writableEnded)
    })
  }

  function lastOn(socket: Socket): ServerResponse | undefined {
    return pending.get(socket)?.at(-1)
  }

  function runWhenFlushed(socket: Socket, respond: () => void): void {
    const last = lastOn(socket)
    if (last === undefined) runIfWritable(socket, respond)
    else if (!last.req.complete) {
      if (last.socket !== null && !last.headersSent) respond()
      else socket.destroy()
    } else if (socket.readableEnded)
      socket.end() // the client disconnected while sending its next request
    else if (!reported.has(last)) {
      // Registered once, because Node reports each further chunk as another error.
      reported.add(last)
      last.on('close', () => {
        // After a request timeout (408), the late request may have arrived in the meantime and gets its own response.
        if (lastOn(socket) === undefined) runIfWritable(socket, respond)
      })
    }
  }

  function destroyPending(socket: Socket): boolean {
    const responses = [...(pending.get(socket) ?? [])]
    // After a CONNECT request, Node no longer listens to the socket. Responses that wait for earlier responses would
    // not notice that the socket has closed.
    for (const response of responses) {
      response.destroy()
      response.req.destroy()
    }
    return responses.length > 0
  }

  return Object.freeze({
    add,
    remove,
    hasPending,
    requestsOn,
    hasLastRequest,
    runWhenFlushed,
    hasUnflushed,
    destroyPending,
  })
}

function runIfWritable(socket: Socket, respond: () => void): void {
  if (socket.writable) respond()
}

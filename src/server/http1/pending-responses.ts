import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The responses that have not been sent yet, by connection. Node reports parse errors and tunnels as soon as it has
 * read them; what elastauth sends for those must not overtake pending responses or end up inside one (RFC 9112, section
 * 9.3.2).
 */
export type PendingResponses = Readonly<{
  /** Call with the response to each request, in order of arrival. */
  add: (response: ServerResponse) => void
  /** Call when a response has closed. */
  remove: (response: ServerResponse) => void
  hasPending: (socket: Socket) => boolean
  /** The requests with pending responses, in order of arrival. */
  requestsOn: (socket: Socket) => IncomingMessage[]
  /** Whether the last request of the connection has arrived: it closes after a pending response, or has ended. */
  hasLastRequest: (socket: Socket) => boolean
  /**
   * Calls `respond` when all pending responses have been sent; never if one of them was the last of the connection or
   * the client has disconnected. If the error is in the body of a request whose response has begun or waits for earlier
   * ones, the connection is destroyed instead.
   */
  runWhenFlushed: (socket: Socket, respond: () => void) => void
  /** Whether a response or a connection has ended, but not all of its bytes have been sent. */
  hasUnflushed: () => boolean
  /** Destroys the pending responses of a connection. @returns whether there were any */
  destroyPending: (socket: Socket) => boolean
}>

/** @param onConnectionClosed called when a connection has closed */
export function createPendingResponses(onConnectionClosed: () => void): PendingResponses {
  // Lists cost a request less than sets: a connection rarely has a second pending response.
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
      socket.end() // the client disconnected in the middle of its next request
    else if (!reported.has(last)) {
      // Node reports each further chunk as another error.
      reported.add(last)
      last.on('close', () => {
        // The head that had timed out (408) may have arrived in the meantime.
        if (lastOn(socket) === undefined) runIfWritable(socket, respond)
      })
    }
  }

  function destroyPending(socket: Socket): boolean {
    const responses = [...(pending.get(socket) ?? [])]
    // Node no longer listens to the socket, so responses that wait for earlier ones would not notice that it has
    // closed.
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

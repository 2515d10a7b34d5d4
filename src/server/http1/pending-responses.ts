import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The answers that are still to go out on each connection. Node tells of what is no HTTP, and of tunnels, as soon as it has
 * read them, and what we say to that must get neither ahead of those answers nor into the middle of one (RFC 9112, 9.3.2).
 */
export type PendingResponses = Readonly<{
  /** To be called with the answer to each request, in the order in which they came. */
  follow: (response: ServerResponse) => void
  /** To be called when an answer has closed. */
  forget: (response: ServerResponse) => void
  isOpen: (socket: Socket) => boolean
  /** The requests with pending responses, in order of arrival. */
  requestsOn: (socket: Socket) => IncomingMessage[]
  /** Whether the connection closes after a pending response, or has had its last one. */
  hasLast: (socket: Socket) => boolean
  /**
   * Lets somebody speak of a fault when all answers are out; not at all where one of them was the last on the connection,
   * or the client has left. Where the fault is in the body of a request whose answer has begun, or has others before it,
   * the connection is cut.
   */
  speakAfter: (socket: Socket, words: () => void) => void
  /** Whether an answer has ended, or a connection, and is not out yet. */
  isAnyEnding: () => boolean
  /** Cuts a connection on which answers are open. @returns whether there were any */
  cut: (socket: Socket) => boolean
}>

/** @param onGone called when a connection has closed */
export function createPendingResponses(onGone: () => void): PendingResponses {
  // Lists, which cost a request less than sets: hardly ever is there a second answer on one.
  const open = new Map<Socket, ServerResponse[]>()
  const spokenAfter = new WeakSet<ServerResponse>()

  function follow(response: ServerResponse): void {
    const { socket } = response.req
    const answers = open.get(socket)
    if (answers === undefined) {
      open.set(socket, [response])
      socket.on('close', forgetAll)
    } else answers.push(response)
  }

  function forgetAll(this: Socket): void {
    open.delete(this)
    onGone()
  }

  function forget(response: ServerResponse): void {
    const answers = open.get(response.req.socket) ?? []
    const index = answers.indexOf(response)
    if (index !== -1) answers.splice(index, 1)
  }

  function isOpen(socket: Socket): boolean {
    return (open.get(socket)?.length ?? 0) > 0
  }

  function requestsOn(socket: Socket): IncomingMessage[] {
    return (open.get(socket) ?? []).map(({ req }) => req)
  }

  function hasLast(socket: Socket): boolean {
    return !socket.writable || lastOn(socket)?.shouldKeepAlive === false
  }

  function isAnyEnding(): boolean {
    return open.entries().some(([socket, answers]) => {
      return socket.writableEnded || answers.some(({ writableEnded }) => writableEnded)
    })
  }

  function lastOn(socket: Socket): ServerResponse | undefined {
    return open.get(socket)?.at(-1)
  }

  function speakAfter(socket: Socket, words: () => void): void {
    const last = lastOn(socket)
    if (last === undefined) speak(socket, words)
    else if (!last.req.complete) {
      if (last.socket !== null && !last.headersSent) words()
      else socket.destroy()
    } else if (socket.readableEnded)
      socket.end() // the client has left, in the middle of its next request
    else if (!spokenAfter.has(last)) {
      // Each further piece that arrives is reported as another fault.
      spokenAfter.add(last)
      last.on('close', () => {
        // A head that was late (408) may have come whole meanwhile.
        if (lastOn(socket) === undefined) speak(socket, words)
      })
    }
  }

  function cut(socket: Socket): boolean {
    const answers = [...(open.get(socket) ?? [])]
    // Those that wait for their turn would not hear of the socket's end: Node has stopped listening to it.
    for (const response of answers) {
      response.destroy()
      response.req.destroy()
    }
    return answers.length > 0
  }

  return Object.freeze({ follow, forget, isOpen, requestsOn, hasLast, isAnyEnding, speakAfter, cut })
}

function speak(socket: Socket, words: () => void): void {
  if (socket.writable) words()
}

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Node tells of what is no HTTP, and of tunnels, as soon as it reads them, though requests before them on the same
 * connection may still wait for their answers. What we say to that must not get in between (RFC 9112, 9.3.2).
 */
export type BehindAnswers = Readonly<{
  /** To be called with the answer to each request, in the order in which they came. */
  follow: (response: ServerResponse) => void
  /**
   * Lets somebody speak on the connection when all answers are out, and not at all where one of them was its last or
   * was cut. Where the fault is in the body of a request whose answer has begun or has others before it, the connection
   * is cut.
   */
  speak: (socket: Socket, words: () => void) => void
}>

export function createBehindAnswers(): BehindAnswers {
  const lastAnswers = new WeakMap<Socket, ServerResponse>()
  // After a fault each further piece is one more.
  const waiting = new WeakSet<Socket>()

  function follow(response: ServerResponse): void {
    lastAnswers.set(response.req.socket, response)
  }

  function speak(socket: Socket, words: () => void): void {
    const response = lastAnswers.get(socket)
    if (response === undefined) words()
    else if (!response.req.complete) {
      if (response.socket !== null && !response.headersSent) words()
      else socket.destroy()
    } else if (response.closed) speakAfter(response, words)
    else if (!waiting.has(socket)) {
      waiting.add(socket)
      response.once('close', () => {
        waiting.delete(socket)
        // The head that was late (408) may have come whole meanwhile.
        if (lastAnswers.get(socket) === response) speakAfter(response, words)
      })
    }
  }

  return Object.freeze({ follow, speak })
}

function speakAfter(response: ServerResponse, words: () => void): void {
  if (response.writableFinished && response.shouldKeepAlive) words()
}

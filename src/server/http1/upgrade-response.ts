import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The response to an upgrade request, for which Node creates none: it only hands over the socket. With this class, an
 * upgrade is handled like any other request, and so is a response that rejects it. Node has no public API for that, but
 * its own server calls `assignSocket` too, and so does @fastify/websocket. What Node's server does besides is done here.
 * @param head the first bytes that the client has sent after its request
 */
export class UpgradeResponse extends ServerResponse {
  constructor(request: IncomingMessage, socket: Socket, head: Buffer) {
    super(request)
    this.shouldKeepAlive = false // Node does not parse another request
    this.sendDate = false // an upstream's rejection is forwarded as it is
    socket.on('error', () => {}) // `close` follows
    if (head.length > 0) socket.unshift(head)
    this.assignSocket(socket)
    socket.on('drain', () => this.emit('drain'))
    this.once('finish', () => closeGracefully(socket))
  }
}

/**
 * Destroys the connection after the response. Discards what the client has sent, because closing a connection with
 * unread data resets it. `destroySoon` is not enough: Node passes a stream without that method while it still expects a
 * request body.
 */
function closeGracefully(socket: Socket): void {
  socket.resume().end(() => socket.destroy())
}

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { destroyAfterLinger, endGracefully } from './pipelining-limit.ts'

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
    // A tunnel ends its client's socket when the upstream has closed and everything has been sent.
    socket.once('finish', () => destroyAfterLinger(socket))
    // The rest of what the client sends is discarded.
    this.once('finish', () => endGracefully(socket.resume()))
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

/** Who takes what comes in, the same for every listener. None of these throws or rejects. */
export type ListenerHandlers = Readonly<{
  /**
   * @param check throws GatewayError for headers that this protocol allows and we do not
   * @param onAuthenticated called when a user has been authenticated, before the response
   */
  onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    check: (request: IncomingMessage) => void,
    onAuthenticated?: () => void,
  ) => void
  isUpgrade: (request: IncomingMessage) => boolean
  onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void
  /** Somebody who asks for a tunnel to another host. */
  onConnect: (socket: Socket) => void
  /** What is no HTTP. */
  onClientError: (error: NodeJS.ErrnoException, socket: Socket) => void
  /** A connection that did not get as far as HTTP. */
  onTlsFailure: (error: NodeJS.ErrnoException, socket: Socket) => void
}>

/** For the requests of HTTP/1.1, in milliseconds. */
export type RequestTimeouts = Readonly<{
  /** For a whole request to arrive; 0 for any time. */
  requestMs: number
  /** For what is left of its body when its answer is out. */
  drainMs: number
}>

/** One place where connections come in. */
export type ListenerHandle = Readonly<{
  server: Server
  /** Closes connections without a request, now that no more are taken, and the others after their last answer. */
  closeIdle: () => void
  /** Takes other certificates for connections from now on, where there is TLS. */
  renew?: (context: SecureContextOptions) => void
  /** Closes all that is left, in whatever state. */
  cut: () => void
}>

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

/** The handlers that every listener calls. None of them throws or rejects. */
export type ListenerHandlers = Readonly<{
  /**
   * @param check throws GatewayError for headers that the protocol allows but elastauth does not
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
  /** For a CONNECT request. */
  onConnect: (socket: Socket) => void
  /** For data that is not valid HTTP. */
  onClientError: (error: NodeJS.ErrnoException, socket: Socket) => void
  /** For a failed TLS handshake. */
  onTlsFailure: (error: NodeJS.ErrnoException, socket: Socket) => void
}>

/** Timeouts for HTTP/1.1 requests, in milliseconds. */
export type RequestTimeouts = Readonly<{
  /** Maximum time for a whole request to arrive; 0 means no limit. */
  requestMs: number
  /** Maximum time for the rest of a body to arrive after the response. */
  drainMs: number
}>

/** A listener: a Node server with its protocols. */
export type ListenerHandle = Readonly<{
  server: Server
  /**
   * Closes idle connections at once, and the other connections after their last response. Call it when the server
   * accepts no more connections.
   */
  closeIdle: () => void
  /** Makes new connections use other certificates; undefined for a listener without TLS. */
  renewCertificates?: (context: SecureContextOptions) => void
  /** Destroys all remaining connections, in whatever state. */
  destroyConnections: () => void
}>

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { ErrorCode, GatewayError } from '../../http/errors.ts'

/** The handlers that every listener calls. None of them throws or rejects. */
export type ListenerHandlers = Readonly<{
  /**
   * @param fault why the request must be rejected: its headers are invalid, or exceed elastauth's limits
   * @param onAuthenticated called when a user has been authenticated, before the response
   */
  onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    fault: GatewayError | undefined,
    onAuthenticated?: () => void,
  ) => void
  /** Whether `onRequest` gets an `UpgradeResponse`, whose socket can be used for a tunnel. */
  isUpgrade: (request: IncomingMessage) => boolean
  /**
   * Logs invalid data or a CONNECT request, for which Node creates no response object.
   * @returns the bytes of the error response
   */
  renderInvalid: (code: ErrorCode, socket: Socket) => string
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
   * Accepts no more connections, and closes idle connections at once, the others after their last response. Resolves
   * when all have closed.
   */
  close: () => Promise<void>
  /** Makes new connections use other certificates; undefined for a listener without TLS. */
  renewCertificates?: (context: SecureContextOptions) => void
  /** Destroys all remaining connections, in whatever state. */
  destroyConnections: () => void
}>

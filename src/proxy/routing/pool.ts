import type { Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { TlsOptions } from './tls.ts'

/** A broken connection, as Node or undici reports it. */
export type ConnectionError = Error & { code?: string; socket?: Readonly<{ bytesRead?: number | undefined }> | null }

export type PoolOptions = Readonly<{
  /** For a connection, for an answer's head, and between two pieces of it, in milliseconds. */
  timeoutMs: number
  /** How long an idle connection is kept, in milliseconds. An upstream's `Keep-Alive` may shorten it. */
  idleTimeoutMs: number
}>

/** A host that is up answers its SYN at once; to wait longer only keeps from trying the next one. In milliseconds. */
const maxConnectTimeoutMs = 10_000

/** All headers of an answer together, in bytes. */
const maxHeaderBytes = 64 * 1024

/**
 * Connections to one upstream: as many as there are requests at once, one request on each at a time.
 * @param tls for an https upstream
 */
export function createPool(url: URL, { timeoutMs, idleTimeoutMs }: PoolOptions, tls: TlsOptions | undefined): Pool {
  const connect = buildConnector({ ...tls, allowH2: false, timeout: Math.min(timeoutMs, maxConnectTimeoutMs) })
  return new Pool(url.origin, {
    // undici would take the name to verify from the request's Host, which is the client's to choose.
    connect({ servername: _, ...options }, callback) {
      connect(options, (...result) => {
        const [, socket] = result
        socket?.on('error', destroyOnError)
        callback(...result)
      })
    },
    pipelining: 1,
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxHeaderSize: maxHeaderBytes,
  })
}

/** One for all sockets, which are many and stay. Runs before undici's own. */
function destroyOnError(this: Socket, error: ConnectionError): void {
  // Like undici's SocketError.
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') error.socket = { bytesRead: this.bytesRead }
  // undici takes a reset for the end of an answer that has no length, and half of it would look whole (RFC 9112, 8).
  if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
  // Node reads on after a TLS alert, and undici would name the end that it then finds, not the alert.
  this.destroy(error)
}

/**
 * Whether the upstream closed a reused connection. If no response to the current request had begun, it may not have processed the
 * request: an upstream may close an idle connection at any time (RFC 9112, 9.6).
 */
export function isStaleConnection({ code, socket }: ConnectionError): boolean {
  const isClose = code === 'UND_ERR_SOCKET' || code === 'EPIPE'
  return isClose && (socket?.bytesRead ?? 0) > 0
}

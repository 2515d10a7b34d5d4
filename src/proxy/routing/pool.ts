import type { Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { TlsOptions } from './tls.ts'

/** An error of a connection, as Node or undici reports it. */
export type ConnectionError = Error & { code?: string; socket?: Readonly<{ bytesRead?: number | undefined }> | null }

export type PoolOptions = Readonly<{
  /** The timeout for connecting, for a response's headers, and between two chunks of its body. */
  timeoutMs: number
  /** How long an idle connection is kept. An upstream's `Keep-Alive` header may shorten this time. */
  idleTimeoutMs: number
}>

/**
 * Limits the time for connecting. A running host responds to a SYN at once, so a longer wait would only delay the
 * attempt at the next address or upstream.
 */
const maxConnectTimeoutMs = 10_000

/** The maximum size of all headers of a response together. */
const maxHeaderBytes = 64 * 1024

/**
 * The connections to one upstream, without pipelining: there are as many connections as concurrent requests.
 * @param tls only for an https upstream
 */
export function createPool(url: URL, { timeoutMs, idleTimeoutMs }: PoolOptions, tls: TlsOptions | undefined): Pool {
  const connect = buildConnector({ ...tls, allowH2: false, timeout: Math.min(timeoutMs, maxConnectTimeoutMs) })
  return new Pool(url.origin, {
    // `servername` is dropped: undici would verify the certificate against the request's Host header, which the client
    // chooses.
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

/** Rewrites socket errors before undici's listener sees them, so that a reset does not look like a normal end. */
function destroyOnError(this: Socket, error: ConnectionError): void {
  // The same field as in undici's SocketError, for `isStaleConnection`.
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') error.socket = { bytesRead: this.bytesRead }
  // undici treats ECONNRESET as the end of a response without a length, so a truncated response would look complete
  // (RFC 9112, section 8).
  if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
  // Node keeps reading after a TLS alert, and undici would then report the closed connection instead of the alert.
  this.destroy(error)
}

/**
 * Whether the error means that the upstream closed a reused connection, which it may do at any time while the
 * connection is idle (RFC 9112, section 9.6). Unless its response had begun, the upstream may not have processed the
 * request.
 */
export function isStaleConnection({ code, socket }: ConnectionError): boolean {
  const isClose = code === 'UND_ERR_SOCKET' || code === 'EPIPE'
  return isClose && (socket?.bytesRead ?? 0) > 0
}
